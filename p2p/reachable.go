package p2p

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// maxObservers bounds the words on this host's addresses that are remembered.
const maxObservers = 64

// reachable knows what others say of this host's addresses: which of them AutoNAT has
// dialled, and from where peers see it come.
type reachable struct {
	mu       sync.Mutex
	verdict  event.EvtHostReachableAddrsChanged
	observed map[view]ma.Multiaddr // where a connection from a listen address comes out
}

// view is what one peer sees of this host with one transport.
type view struct {
	peer   peer.ID
	medium medium
}

func (r *reachable) set(v event.EvtHostReachableAddrsChanged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict = v
}

func (r *reachable) observe(p peer.ID, at ma.Multiaddr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.observed == nil || len(r.observed) >= maxObservers {
		r.observed = make(map[view]ma.Multiaddr)
	}
	m, _ := mediumOf(at)
	r.observed[view{p, m}] = at
}

// forget is told that a peer is gone: what it saw may be so no more.
func (r *reachable) forget(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for v := range r.observed {
		if v.peer == p {
			delete(r.observed, v)
		}
	}
}

// seenOver reports whether a peer sees this host at a public address of a medium.
func (r *reachable) seenOver(m medium) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for v, a := range r.observed {
		if v.medium == m && manet.IsPublicAddr(a) {
			return true
		}
	}
	return false
}

// seenAt are the public addresses at which peers see this host.
func (r *reachable) seenAt() (out []ma.Multiaddr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.observed {
		if manet.IsPublicAddr(a) && !ma.Contains(out, a) && len(out) < maxBookAddrs {
			out = append(out, a)
		}
	}
	return out
}

// listensAt reports whether a connection comes from an address that the host listens
// on, so that what the router makes of it is of use to others.
func (h *Host) listensAt(local ma.Multiaddr) bool {
	if len(local) < 2 {
		return false
	}
	return slices.ContainsFunc(h.host.Network().ListenAddresses(), func(l ma.Multiaddr) bool {
		return len(l) >= 2 && l[1].Equal(&local[1]) && l[0].Code() == local[0].Code()
	})
}
