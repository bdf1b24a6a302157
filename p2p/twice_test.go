package p2p_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// connsTo is how many connections a host has to a peer.
func connsTo(h *p2p.Host, id string) int {
	for _, p := range h.Peers() {
		if p.ID == id {
			return len(p.Addrs)
		}
	}
	return 0
}

// dialEachOther starts two hosts in a topic that dial each other at the same time, again and again until that led to two connections.
func dialEachOther(t *testing.T, ha, hb func(p2p.Message) p2p.Verdict) (a, b *p2p.Host, ta, tb *p2p.Topic) {
	t.Helper()
	for range 50 { // eight in ten do
		a, b = newHost(t), newHost(t)
		ta, tb = join(t, a, "reg", ha), join(t, b, "reg", hb)
		var both sync.WaitGroup
		both.Go(func() { _ = a.Keep(b.Addrs()) })
		both.Go(func() { _ = b.Keep(a.Addrs()) })
		both.Wait()
		meet(t, 1, ta, tb)
		if connsTo(a, b.ID()) == 2 && connsTo(b, a.ID()) == 2 {
			return a, b, ta, tb
		}
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
	require.FailNow(t, "never two connections")
	return
}

// Hosts that dialled each other at the same time keep one connection of the two, and gossip goes on over it.
func TestOneOfTwoConnectionsIsLeft(t *testing.T) {
	inA, inB := newInbox(), newInbox()
	a, b, ta, tb := dialEachOther(t, inA.handle, inB.handle)
	eventually(t, func() bool { return connsTo(a, b.ID()) == 1 && connsTo(b, a.ID()) == 1 }, "two connections for good")
	eventually(t, func() bool { return len(ta.Peers()) == 1 && len(tb.Peers()) == 1 }, "the topic is forgotten")
	meet(t, 1, ta, tb)
	require.NoError(t, ta.Publish(t.Context(), []byte("from a")))
	require.NoError(t, tb.Publish(t.Context(), []byte("from b")))
	require.Equal(t, "from a", string(inB.wait(t, 1)[0].Data))
	require.Equal(t, "from b", string(inA.wait(t, 1)[0].Data))
	require.Equal(t, 1, connsTo(a, b.ID()))
}

// An exchange under way on the connection that is too many comes to its end.
func TestAConnectionInUseIsNotLeft(t *testing.T) {
	a, b, _, _ := dialEachOther(t, newInbox().handle, newInbox().handle)
	b.Serve(testProto, echo)
	streams := p2p.OpenOnEach(t.Context(), a, b.ID(), testProto)
	require.Len(t, streams, 2)
	require.Never(t, func() bool { return connsTo(a, b.ID()) < 2 }, 2*p2p.SurplusAfter, p2p.SurplusAfter/10)
	for _, s := range streams {
		require.NoError(t, s.WriteFrame([]byte("still")))
		f, err := s.ReadFrame(16)
		require.NoError(t, err)
		require.Equal(t, "still", string(f))
		s.Reset()
	}
	eventually(t, func() bool { return connsTo(a, b.ID()) == 1 && connsTo(b, a.ID()) == 1 }, "two connections for good")
}

// A connection that comes while another one is too many has its time, too, in which it is proved that the others are alive.
func TestALaterConnectionHasItsTime(t *testing.T) {
	a, b, _, _ := dialEachOther(t, newInbox().handle, newInbox().handle)
	if b.ID() > a.ID() {
		a, b = b, a
	}
	require.Never(t, func() bool { return connsTo(b, a.ID()) < 2 }, p2p.SurplusAfter*3/5, p2p.SurplusAfter/20)
	require.NoError(t, p2p.DialBeside(t.Context(), a, b.Addrs()[0]))
	eventually(t, func() bool { return connsTo(b, a.ID()) == 3 }, "no third connection")
	require.Never(t, func() bool { return connsTo(b, a.ID()) < 3 }, p2p.SurplusAfter*4/5, p2p.SurplusAfter/20)
	eventually(t, func() bool { return connsTo(b, a.ID()) == 1 }, "three connections for good")
}
