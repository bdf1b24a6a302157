package p2p

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// maxObservers bounds the peers whose word on this host's address is remembered.
const maxObservers = 64

// reachable knows what others say of this host's addresses: which of them AutoNAT has
// dialled, and from where peers see it come.
type reachable struct {
	mu       sync.Mutex
	verdict  event.EvtHostReachableAddrsChanged
	observed map[peer.ID]observation
	moves    int // how often the network may have become another one
}

// observation is where a connection from a listen address comes out.
type observation struct {
	at    ma.Multiaddr
	conn  network.Conn
	moves int // by then
}

func (r *reachable) set(v event.EvtHostReachableAddrsChanged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict = v
}

func (r *reachable) observe(p peer.ID, at ma.Multiaddr, c network.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.observed == nil || len(r.observed) >= maxObservers {
		r.observed = make(map[peer.ID]observation)
	}
	r.observed[p] = observation{at, c, r.moves}
}

// moved is told that the network may be another one: what was seen before counts for as long as the connection lasts.
func (r *reachable) moved() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves++
}

// seenAt are the public addresses at which peers see this host.
func (r *reachable) seenAt() (out []ma.Multiaddr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.observed {
		if o.moves < r.moves && o.conn.IsClosed() {
			continue
		}
		if a := o.at; manet.IsPublicAddr(a) && !ma.Contains(out, a) && len(out) < maxBookAddrs {
			out = append(out, a)
		}
	}
	return out
}

// fromListener reports whether a connection comes from an address that the host listens
// on, so that what the router makes of it is of use to others.
func (h *Host) fromListener(c network.Conn) bool {
	local := c.LocalMultiaddr()
	if len(local) < 2 {
		return false
	}
	return slices.ContainsFunc(h.host.Network().ListenAddresses(), func(l ma.Multiaddr) bool {
		return len(l) >= 2 && l[1].Equal(&local[1]) && l[0].Code() == local[0].Code()
	})
}
