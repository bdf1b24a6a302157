package p2p

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Two hosts that dial each other at the same time have two connections then, and libp2p leaves it at that: each of them is
// kept alive for good, by both ends. One of the two is enough. Only one host closes any, or each might close another one: the
// one with the lower id.

// surplusAfter is how long several connections last at least. By then each has been proved alive, see proveOthers.
const surplusAfter = 5 * time.Second

// thin has all but one of the direct connections to a peer closed, by one goroutine: two might each close another one. The
// caller holds the lock.
func (t *peerTable) thin(p peer.ID) {
	if t.h.id > p || t.thinned[p] {
		return
	}
	t.thinned[p] = true
	t.h.goRun(func() { t.h.leaveSurplus(p) })
}

// surplus are the direct connections to a peer if there are several; if not, thin begins anew with the next one.
func (t *peerTable) surplus(p peer.ID) []network.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []network.Conn
	for c := range t.conns[p] {
		if !c.IsClosed() && !isRelayed(c.RemoteMultiaddr()) {
			out = append(out, c)
		}
	}
	if len(out) < 2 {
		delete(t.thinned, p)
		return nil
	}
	return out
}

// leaveSurplus closes all but one of the direct connections to a peer, each as soon as nothing but gossip runs over it.
func (h *Host) leaveSurplus(p peer.ID) {
	for {
		sleep(h.ctx, surplusAfter)
		conns := h.peers.surplus(p)
		if h.ctx.Err() != nil || conns == nil {
			return
		}
		if slices.ContainsFunc(conns, func(c network.Conn) bool { return time.Since(c.Stat().Opened) < surplusAfter }) {
			continue // it came meanwhile
		}
		slices.SortStableFunc(conns, func(a, b network.Conn) int {
			if more := gossipOn(b) - gossipOn(a); more != 0 {
				return more // gossip that ends loses what is under way, and exchanges have to make up for it
			}
			return a.Stat().Opened.Compare(b.Stat().Opened)
		})
		for _, c := range conns[1:] {
			if len(c.GetStreams()) == gossipOn(c) {
				_ = c.Close() // it may be gone already
			}
		}
	}
}

// gossipOn is how many gossip streams a connection carries.
func gossipOn(c network.Conn) (n int) {
	for _, s := range c.GetStreams() {
		if s.Protocol() == gossipProtocol {
			n++
		}
	}
	return n
}
