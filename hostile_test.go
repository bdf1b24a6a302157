package minikv_test

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
)

const syncProtocol = "/minikv/1"

// rawPeer is a host that speaks the transport and nothing of what is above it.
func rawPeer(t *testing.T, n *minikv.Node) *p2p.Host {
	t.Helper()
	h, err := p2p.New(ctx, p2p.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	_, err = h.Connect(within(t), n.Addrs()[0])
	require.NoError(t, err)
	return h
}

func openStream(t *testing.T, h *p2p.Host, n *minikv.Node) *p2p.Stream {
	t.Helper()
	s, err := h.Open(within(t), string(n.ID()), syncProtocol)
	require.NoError(t, err)
	t.Cleanup(s.Reset)
	s.SetDeadline(time.Now().Add(patience))
	return s
}

func frame(t *testing.T, f replica.Frame) []byte {
	t.Helper()
	b, err := replica.EncodeFrame(nil, f)
	require.NoError(t, err)
	return b
}

// helloFor is the hello of an empty registry.
func helloFor(name string) *replica.Hello {
	now := hlc.FromTime(time.Now())
	return &replica.Hello{Version: replica.Version, Registry: minikv.RegistryID(name), Clock: now, Wall: now}
}

// A change of the topic would part old nodes from new ones.
func TestTopicIsFixed(t *testing.T) {
	require.Equal(t, "minikv/1/8ac408272d25e95e698cba0d8ee916aa106adc17d6f16a70208f8750cd6d41d9", minikv.TopicOf("test"))
}

func TestStreamOfGarbage(t *testing.T) {
	r := openRegistry(t, online(t, minikv.Config{}), "test")
	put(t, r, "k", "v")
	h := rawPeer(t, r.Node())
	for name, first := range map[string][]byte{
		"random":       []byte("\x00\xff\x13random bytes"),
		"not a hello":  frame(t, &replica.Status{}),
		"unknown type": {0x18, 0x63, 0x80},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStream(t, h, r.Node())
			require.NoError(t, s.WriteFrame(first))
			require.Equal(t, replica.Failed, finishOf(t, s).State)
		})
	}
	t.Run("nothing", func(t *testing.T) { // is answered nothing
		s := openStream(t, h, r.Node())
		require.NoError(t, s.WriteFrame(nil))
		_, err := s.ReadFrame(1 << 20)
		require.ErrorIs(t, err, io.EOF)
	})
	t.Run("a byte", func(t *testing.T) { // is told little of why
		s := openStream(t, h, r.Node())
		require.NoError(t, s.WriteFrame([]byte{0xff}))
		answer, err := s.ReadFrame(1 << 20)
		require.NoError(t, err)
		require.LessOrEqual(t, len(answer), 4*2)
	})
	t.Run("too long", func(t *testing.T) {
		s := openStream(t, h, r.Node())
		_ = s.WriteFrame(make([]byte, 64<<20))
		_, err := s.ReadFrame(1 << 20)
		require.Error(t, err)
	})
	t.Run("garbage after the hello", func(t *testing.T) {
		s := openStream(t, h, r.Node())
		require.NoError(t, s.WriteFrame(frame(t, helloFor("test"))))
		require.NoError(t, s.WriteFrame([]byte("garbage")))
		require.Equal(t, replica.Failed, finishOf(t, s).State)
		require.Eventually(t, func() bool { return r.Metrics().Refused > 0 && r.Metrics().SyncsFailed > 0 }, patience, time.Millisecond)
	})
	t.Run("another version", func(t *testing.T) {
		hello := helloFor("test")
		hello.Version++
		finish := answerTo(t, h, r.Node(), hello)
		require.Equal(t, replica.Failed, finish.State)
		require.Contains(t, finish.Why, "version")
	})
	t.Run("another registry", func(t *testing.T) {
		finish := answerTo(t, h, r.Node(), helloFor("other"))
		require.Equal(t, replica.Failed, finish.State)
		require.Contains(t, finish.Why, "has not opened the registry")
	})
	t.Run("hello from the year 2100", func(t *testing.T) {
		hello := helloFor("test")
		hello.Clock = hlc.FromTime(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
		require.Equal(t, replica.Failed, answerTo(t, h, r.Node(), hello).State)
	})
	require.Equal(t, "v", value(t, r, "k"))
	put(t, r, "k", "still writable")
}

// answerTo sends a hello and returns how the node ends the exchange.
func answerTo(t *testing.T, h *p2p.Host, n *minikv.Node, hello *replica.Hello) *replica.Finish {
	t.Helper()
	s := openStream(t, h, n)
	require.NoError(t, s.WriteFrame(frame(t, hello)))
	return finishOf(t, s)
}

func finishOf(t *testing.T, s *p2p.Stream) *replica.Finish {
	t.Helper()
	for {
		data, err := s.ReadFrame(1 << 20)
		require.NoError(t, err)
		f, err := replica.DecodeFrame(data)
		require.NoError(t, err)
		if finish, ok := f.(*replica.Finish); ok {
			return finish
		}
	}
}

func TestStalledPeerDoesNotHoldUpOthers(t *testing.T) {
	a := openRegistry(t, online(t, minikv.Config{}), "test")
	put(t, a, "k", "v")
	h := rawPeer(t, a.Node())
	for range 5 {
		s := openStream(t, h, a.Node())
		require.NoError(t, s.WriteFrame(frame(t, helloFor("test")))) // and nothing more
	}
	b := openRegistry(t, online(t, minikv.Config{}), "test")
	connect(t, b.Node(), a.Node())
	requireEqual(t, a, b)
	put(t, a, "l", "v")
	require.NoError(t, a.Node().Close(), "and Close does not wait for it")
}

func TestCleanEndOfAnExchange(t *testing.T) {
	r := openRegistry(t, online(t, minikv.Config{}), "test")
	h := rawPeer(t, r.Node())
	s := openStream(t, h, r.Node())
	require.NoError(t, s.WriteFrame(frame(t, helloFor("test"))))
	data, err := s.ReadFrame(1 << 20)
	require.NoError(t, err)
	_, err = replica.DecodeFrame(data)
	require.NoError(t, err)
	require.NoError(t, s.WriteFrame(frame(t, &replica.Finish{State: replica.Equal})))
	require.NoError(t, s.CloseWrite())
	for err == nil {
		_, err = s.ReadFrame(1 << 20)
	}
	require.ErrorIs(t, err, io.EOF)
}

func TestTopicOfGarbage(t *testing.T) {
	r := openRegistry(t, online(t, minikv.Config{}), "test")
	h := rawPeer(t, r.Node())
	topic, err := h.JoinTopic(minikv.TopicOf("test"), func(p2p.Message) p2p.Verdict { return p2p.Accept })
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(topic.Peers()) == 1 && r.Metrics().PeersConnected == 1 }, patience, time.Millisecond)
	before := r.Root()
	for i, data := range [][]byte{[]byte("random"), {}, {0x82, 0x01}, []byte("\x84\x02more of another version")} {
		require.NoError(t, topic.Publish(ctx, append(data, byte(i))))
	}
	require.Eventually(t, func() bool { return r.Metrics().Refused >= 3 }, patience, time.Millisecond)
	require.Equal(t, before, r.Root())
	require.Eventually(t, func() bool { return len(r.Node().Peers()) == 1 && r.Node().Peers()[0].Refused > 0 }, patience, time.Millisecond)
}

// A peer that opens exchanges without end is held to a number of them.
func TestManyStreams(t *testing.T) {
	r := openRegistry(t, online(t, minikv.Config{}), "test")
	h := rawPeer(t, r.Node())
	refused := false
	for range 200 {
		opening, cancel := context.WithTimeout(ctx, time.Second)
		s, err := h.Open(opening, string(r.Node().ID()), syncProtocol)
		cancel()
		if err != nil {
			refused = true
			break
		}
		defer s.Reset()
		s.SetDeadline(time.Now().Add(time.Second))
		if err := s.WriteFrame(frame(t, helloFor("test"))); err != nil {
			refused = true
			break
		}
		if _, err := s.ReadFrame(1 << 20); err != nil {
			refused = true
			break
		}
	}
	require.True(t, refused)
}

// What is written after an exchange began and before it has shown that the peer is a member goes neither with it nor by
// gossip, so another exchange is to bring it.
func TestWritesBeforeThePeerIsProvedAreNotLeftBehind(t *testing.T) {
	a := openRegistry(t, online(t, minikv.Config{SyncInterval: 24 * time.Hour}), "test")
	h := rawPeer(t, a.Node())
	called := make(chan struct{}, 10)
	h.Serve(syncProtocol, func(s *p2p.Stream) {
		called <- struct{}{}
		s.Reset()
	})
	now := func() replica.Instant { return replica.Instant{Wall: time.Now()} }
	session := replica.New(replica.Config{
		Registry: minikv.RegistryID("test"), Peer: h.ID(), Clock: hlc.NewClock(hlc.Config{}),
		Rand: rand.New(rand.NewPCG(1, 2)), DigestKey: minikv.DigestKeyOf("test"),
	}, nil, now()).Dial(now(), string(a.Node().ID()))
	s := openStream(t, h, a.Node())
	send := func() {
		for f, ok := session.Next(now()); ok; f, ok = session.Next(now()) {
			require.NoError(t, s.WriteFrame(frame(t, f)))
		}
	}
	receive := func() {
		data, err := s.ReadFrame(1 << 20)
		require.NoError(t, err)
		f, err := replica.DecodeFrame(data)
		require.NoError(t, err)
		require.NoError(t, session.Handle(now(), f))
	}
	send()
	receive() // the exchange has begun, and the peer not shown more than its hello
	_, err := h.JoinTopic(minikv.TopicOf("test"), func(p2p.Message) p2p.Verdict { return p2p.Accept })
	require.NoError(t, err)
	require.Eventually(t, func() bool { return a.Metrics().PeersConnected == 1 }, patience, time.Millisecond)
	put(t, a, "k", "v")
	for state, _ := session.State(); state == replica.Running; state, _ = session.State() {
		send()
		receive()
	}
	send()
	require.NoError(t, s.CloseWrite())
	select {
	case <-called:
	case <-time.After(patience):
		require.Fail(t, "nobody fetches what was written in between")
	}
}
