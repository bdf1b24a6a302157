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

// leaveSurplus closes all but one of the direct connections to a peer, each as soon as nothing but gossip runs over it.
func (h *Host) leaveSurplus(p peer.ID) {
	if h.id > p {
		return
	}
	for {
		sleep(h.ctx, surplusAfter)
		conns := h.directConns(p)
		if h.ctx.Err() != nil || len(conns) < 2 {
			return
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

func (h *Host) directConns(p peer.ID) []network.Conn {
	return slices.DeleteFunc(h.host.Network().ConnsToPeer(p), func(c network.Conn) bool { return c.IsClosed() || isRelayed(c.RemoteMultiaddr()) })
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
