package p2p_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

func TestConfigErrors(t *testing.T) {
	rsa, _, err := crypto.GenerateRSAKeyPair(2048, rand.Reader)
	require.NoError(t, err)
	secp, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		cfg  p2p.Config
		want string
	}{
		"rsa":           {p2p.Config{Identity: rsa}, "ed25519"},
		"secp256k1":     {p2p.Config{Identity: secp}, "ed25519"},
		"listen":        {p2p.Config{Listen: []string{"127.0.0.1:80"}}, "127.0.0.1:80"},
		"not ours":      {p2p.Config{Listen: []string{"/ip4/192.0.2.1/tcp/0"}}, "192.0.2.1"},
		"static":        {p2p.Config{Static: []string{"/ip4/127.0.0.1/tcp/1"}}, "Static"},
		"small message": {p2p.Config{MaxMessage: 100}, "MaxMessage"},
		"large message": {p2p.Config{MaxMessage: 1 << 30}, "MaxMessage"},
		"streams":       {p2p.Config{MaxStreams: -1}, "MaxStreams"},
		"idle":          {p2p.Config{StreamIdle: -1}, "StreamIdle"},
		"discovery":     {p2p.Config{Discovery: 7}, "Discovery(7)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p2p.New(t.Context(), tt.cfg)
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err = p2p.New(t.Context(), p2p.Config{Identity: rsa})
	require.ErrorIs(t, err, p2p.ErrIdentity)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p2p.New(ctx, p2p.Config{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestIdentityIsKept(t *testing.T) {
	key, _, id := newKey(t)
	h := newHost(t, func(c *p2p.Config) { c.Identity = key })
	require.Equal(t, id.String(), h.ID())
	require.Len(t, h.Addrs(), 2)
	for _, a := range h.Addrs() {
		require.True(t, strings.HasSuffix(a, "/p2p/"+h.ID()), a)
	}
	require.NotEqual(t, h.ID(), newHost(t).ID())
}

func TestHostWithoutListener(t *testing.T) {
	a, b := newHost(t, func(c *p2p.Config) { c.Listen = nil }), newHost(t)
	require.Empty(t, a.Addrs())
	connect(t, a, b)
}

func TestTopicErrors(t *testing.T) {
	h := newHost(t)
	accept := newInbox().handle
	_, err := h.JoinTopic("", accept)
	require.Error(t, err)
	_, err = h.JoinTopic(strings.Repeat("x", 257), accept)
	require.ErrorContains(t, err, "257")
	_, err = h.JoinTopic("reg", nil)
	require.ErrorContains(t, err, "handler")
	tp := join(t, h, "reg", accept)
	_, err = h.JoinTopic("reg", accept)
	require.ErrorContains(t, err, "joined already")
	require.NoError(t, tp.Close())
	require.NoError(t, tp.Close())
	require.ErrorIs(t, tp.Publish(t.Context(), []byte("x")), p2p.ErrClosed)
	again := join(t, h, "reg", accept)
	require.NoError(t, again.Publish(t.Context(), []byte("x")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, again.Publish(ctx, []byte("y")), context.Canceled)
}

func TestMessageSizes(t *testing.T) {
	for _, size := range []int{1 << 10, p2p.DefaultMaxMessage, 4 << 20} {
		limit := func(c *p2p.Config) { c.MaxMessage = size }
		a, b := newHost(t, limit), newHost(t, limit)
		in := newInbox()
		name := strings.Repeat("n", 256) // the longest name leaves the least room
		ta, tb := join(t, a, name, newInbox().handle), join(t, b, name, in.handle)
		connect(t, a, b)
		meet(t, 1, ta, tb)
		err := ta.Publish(t.Context(), make([]byte, size+1))
		require.ErrorIs(t, err, p2p.ErrMessageTooLarge)
		require.NoError(t, ta.Publish(t.Context(), make([]byte, size)))
		require.Len(t, in.wait(t, 1)[0].Data, size)
		require.NoError(t, ta.Publish(t.Context(), nil))
		require.Empty(t, in.wait(t, 2)[1].Data)
		require.Equal(t, uint64(2), ta.Stats().Published)
		require.Equal(t, uint64(2), tb.Stats().Received)
	}
}

func TestClosedTopicHandlesNothing(t *testing.T) {
	a, b := newHost(t), newHost(t)
	var mu sync.Mutex
	closed := false
	calls := make(chan struct{}, 10000)
	ta := join(t, a, "reg", newInbox().handle)
	tb := join(t, b, "reg", func(p2p.Message) p2p.Verdict {
		mu.Lock()
		defer mu.Unlock()
		require.False(t, closed, "handled after Close")
		calls <- struct{}{}
		return p2p.Accept
	})
	connect(t, a, b)
	meet(t, 1, ta, tb)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil && i < 5000; i++ {
			_ = ta.Publish(ctx, numbered(i, 100))
		}
	})
	<-calls
	require.NoError(t, tb.Close())
	mu.Lock()
	closed = true
	mu.Unlock()
	eventually(t, func() bool { return len(ta.Peers()) == 0 }, "leaving not announced")
	cancel()
	wg.Wait()
}

func TestRejoinedTopicWorks(t *testing.T) {
	a, b := newHost(t), newHost(t)
	ta, tb := join(t, a, "reg", newInbox().handle), join(t, b, "reg", newInbox().handle)
	connect(t, a, b)
	meet(t, 1, ta, tb)
	require.NoError(t, tb.Close())
	eventually(t, func() bool { return len(ta.Peers()) == 0 }, "leaving not announced")
	in := newInbox()
	join(t, b, "reg", in.handle)
	// Being meshed again takes some seconds, but authors send to all peers of the topic.
	eventually(t, func() bool { return len(ta.Peers()) == 1 }, "joining not announced")
	require.NoError(t, ta.Publish(t.Context(), []byte("x")))
	in.wait(t, 1)
}

func TestTopicsAreSeparate(t *testing.T) {
	a, b := newHost(t), newHost(t)
	one, two := newInbox(), newInbox()
	ta, tb := join(t, a, "one", newInbox().handle), join(t, b, "one", one.handle)
	ua, ub := join(t, a, "two", newInbox().handle), join(t, b, "two", two.handle)
	connect(t, a, b)
	meet(t, 1, ta, tb, ua, ub)
	// The same bytes on two topics are two messages.
	require.NoError(t, ta.Publish(t.Context(), []byte("x")))
	require.NoError(t, ua.Publish(t.Context(), []byte("x")))
	one.wait(t, 1)
	two.wait(t, 1)
	require.NoError(t, ua.Publish(t.Context(), []byte("y")))
	two.wait(t, 2)
	require.Len(t, one.wait(t, 1), 1)
}

func TestCloseEndsEverything(t *testing.T) {
	h, b := newHost(t), newHost(t)
	tp := join(t, h, "reg", newInbox().handle)
	reading := make(chan error, 1)
	h.Serve(testProto, func(s *p2p.Stream) {
		_, err := s.ReadFrame(1)
		reading <- err
	})
	connect(t, b, h)
	s, err := b.Open(t.Context(), h.ID(), testProto)
	require.NoError(t, err)
	require.NoError(t, s.WriteFrame(make([]byte, 0)))
	require.NoError(t, <-reading)
	s, err = b.Open(t.Context(), h.ID(), testProto)
	require.NoError(t, err)
	require.NoError(t, h.Close())
	select {
	case err := <-reading:
		require.Error(t, err)
	default: // the handler had not begun
	}
	s.Reset()
	require.NoError(t, h.Close())
	require.ErrorIs(t, tp.Publish(t.Context(), nil), p2p.ErrClosed)
	_, err = h.JoinTopic("new", newInbox().handle)
	require.ErrorIs(t, err, p2p.ErrClosed)
	_, err = h.Connect(t.Context(), b.Addrs()[0])
	require.ErrorIs(t, err, p2p.ErrClosed)
	_, err = h.Open(t.Context(), b.ID(), testProto)
	require.ErrorIs(t, err, p2p.ErrClosed)
	h.OnPeer(func(string, bool) { panic("told after Close") })
	tp.OnPeer(func(string, bool) { panic("told after Close") })
	require.Empty(t, tp.Peers())
}

func TestCloseWhileBusy(t *testing.T) {
	for range 5 {
		a, b := newHost(t), newHost(t)
		ta, tb := join(t, a, "reg", newInbox().handle), join(t, b, "reg", newInbox().handle)
		connect(t, a, b)
		meet(t, 1, ta, tb)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := 0; ta.Publish(context.Background(), numbered(i<<20|j, 10000)) == nil; j++ {
				}
			})
		}
		eventually(t, func() bool { return tb.Stats().Received > 10 }, "busy")
		require.NoError(t, b.Close())
		require.NoError(t, a.Close())
		wg.Wait()
	}
}

func TestLoggerIsTold(t *testing.T) {
	var out syncBuffer
	s := newScene(t, func(c *p2p.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s.attacker.publish("reg", []byte("garbage"))
	eventually(t, func() bool { return strings.Contains(out.String(), "malformed envelope") }, "not logged")
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestNoticesInOrder(t *testing.T) {
	const n = 100
	var got events
	post, stop := p2p.Feed(got.add)
	var want []event
	for i := range n {
		post("a", i%2 == 0)
		want = append(want, event{"a", i%2 == 0})
	}
	eventually(t, got.is(want...), "notices")
	stop()
	post("a", true)
	require.True(t, got.is(want...)())
}

func TestManyNoticesAreMergedSoundly(t *testing.T) {
	var got events
	begun, hold := make(chan struct{}), make(chan struct{})
	first := true
	post, stop := p2p.Feed(func(id string, up bool) {
		if first {
			first = false
			close(begun)
			<-hold
		}
		got.add(id, up)
	})
	defer stop()
	post("stays", true)
	<-begun
	// "returns" was told of before; all others are new.
	post("returns", true)
	post("returns", false)
	for range p2p.MaxNotices {
		post("comes and goes", true)
		post("comes and goes", false)
		post("flaps and stays", true)
		post("flaps and stays", false)
	}
	post("flaps and stays", true)
	post("stays", false)
	post("stays", true)
	close(hold)
	last := func() map[string]bool {
		got.mu.Lock()
		defer got.mu.Unlock()
		m := map[string]bool{}
		for _, e := range got.all {
			m[e.id] = e.up
		}
		return m
	}
	eventually(t, func() bool { return last()["flaps and stays"] && last()["stays"] && len(got.all) >= 4 }, "the end")
	got.mu.Lock()
	defer got.mu.Unlock()
	require.Less(t, len(got.all), 3*p2p.MaxNotices)
	state := map[string]bool{}
	stays := 0
	for _, e := range got.all {
		require.NotEqual(t, state[e.id], e.up, "notices of %s do not alternate", e.id)
		state[e.id] = e.up
		if e.id == "stays" {
			stays++
		}
	}
	require.Equal(t, 3, stays, "a peer that went and came back must be told of both")
	require.Equal(t, map[string]bool{"stays": true, "returns": false, "comes and goes": false, "flaps and stays": true}, fill(state))
}

func fill(state map[string]bool) map[string]bool {
	for _, id := range []string{"returns", "comes and goes"} {
		state[id] = state[id] || false
	}
	return state
}

func TestRTTNeverWithoutPing(t *testing.T) {
	a, b := newHost(t, func(c *p2p.Config) { c.PingEvery = -1 }), newHost(t)
	connect(t, a, b)
	eventually(t, func() bool { return b.Peers() != nil && len(b.Peers()) == 1 && b.Peers()[0].RTT > 0 }, "the other side pings")
	require.Zero(t, a.Peers()[0].RTT)
	require.WithinDuration(t, time.Now(), a.Peers()[0].Since, patience)
}
