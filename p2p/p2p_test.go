package p2p_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

const patience = 20 * time.Second

// loopback listens on free ports of the loopback interface.
var loopback = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}

// newHost starts a host on loopback and closes it with the test.
func newHost(t testing.TB, edit ...func(*p2p.Config)) *p2p.Host {
	t.Helper()
	cfg := p2p.Config{Listen: loopback}
	for _, e := range edit {
		e(&cfg)
	}
	h, err := p2p.New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

func connect(t testing.TB, from, to *p2p.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id, err := from.Connect(ctx, to.Addrs()[0])
	require.NoError(t, err)
	require.Equal(t, to.ID(), id)
}

// inbox collects messages.
type inbox struct {
	mu   sync.Mutex
	got  []p2p.Message
	more chan struct{}
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 1<<16)} }

func (b *inbox) handle(m p2p.Message) p2p.Verdict {
	b.mu.Lock()
	b.got = append(b.got, m)
	b.mu.Unlock()
	b.more <- struct{}{}
	return p2p.Accept
}

// wait returns the first n messages.
func (b *inbox) wait(t testing.TB, n int) []p2p.Message {
	t.Helper()
	timeout := time.After(patience)
	for {
		b.mu.Lock()
		got := b.got
		b.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-b.more:
		case <-timeout:
			require.FailNow(t, "messages missing", "%d of %d came", len(got), n)
		}
	}
}

func join(t testing.TB, h *p2p.Host, name string, handle func(p2p.Message) p2p.Verdict) *p2p.Topic {
	t.Helper()
	tp, err := h.JoinTopic(name, handle)
	require.NoError(t, err)
	return tp
}

// meet waits until each topic relays to as many peers as it should.
func meet(t testing.TB, want int, topics ...*p2p.Topic) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, tp := range topics {
			if tp.Stats().Mesh < want {
				return false
			}
		}
		return true
	}, patience, time.Millisecond, "peers did not meet in the topic")
}

// A host whose stream to a peer has ended forgets what that subscribes to, and hears it again.
func TestSubscriptionsAreToldAgain(t *testing.T) {
	a, b := newHost(t), newHost(t)
	in := newInbox()
	ta, tb := join(t, a, "reg", in.handle), join(t, b, "reg", newInbox().handle)
	connect(t, a, b)
	meet(t, 1, ta, tb)
	require.True(t, b.ResetGossip(a.ID()))
	n := 0
	require.Eventually(t, func() bool {
		n++
		require.NoError(t, tb.Publish(t.Context(), fmt.Append(nil, n)))
		select {
		case <-in.more:
			return true
		default:
			return false
		}
	}, patience, 10*time.Millisecond)
	meet(t, 1, ta, tb)
}

func TestGossipBothWays(t *testing.T) {
	a, b := newHost(t), newHost(t)
	inA, inB := newInbox(), newInbox()
	ta, tb := join(t, a, "reg", inA.handle), join(t, b, "reg", inB.handle)
	connect(t, a, b)
	meet(t, 1, ta, tb)
	require.NoError(t, ta.Publish(t.Context(), []byte("from a")))
	require.NoError(t, tb.Publish(t.Context(), []byte("from b")))
	require.Equal(t, p2p.Message{From: a.ID(), Via: a.ID(), Data: []byte("from a")}, inB.wait(t, 1)[0])
	require.Equal(t, p2p.Message{From: b.ID(), Via: b.ID(), Data: []byte("from b")}, inA.wait(t, 1)[0])
}

// echo sends back every frame.
func echo(s *p2p.Stream) {
	for {
		f, err := s.ReadFrame(1 << 20)
		if err != nil {
			return
		}
		if s.WriteFrame(f) != nil {
			return
		}
	}
}
