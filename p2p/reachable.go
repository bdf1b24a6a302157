package p2p

import (
	"iter"
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
	observed map[view]observation
	moves    int // how often the network may have become another one
}

// view is what one peer sees of this host with one transport.
type view struct {
	peer   peer.ID
	medium medium
}

// observation is where a connection from a listen address comes out.
type observation struct {
	at    ma.Multiaddr
	conn  seenConn
	moves int // by then
}

// seenConn is a connection by which a peer has seen this host.
type seenConn interface {
	IsClosed() bool
	LocalMultiaddr() ma.Multiaddr
}

func (r *reachable) set(v event.EvtHostReachableAddrsChanged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict = v
}

func (r *reachable) observe(p peer.ID, at ma.Multiaddr, conn seenConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.observed == nil || len(r.observed) >= maxObservers {
		r.observed = make(map[view]observation)
	}
	m, _ := mediumOf(at)
	r.observed[view{p, m}] = observation{at, conn, r.moves}
}

// moved is told that the network may be another one: what was seen before counts for as long as the connection lasts.
func (r *reachable) moved() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves++
}

// seen yields who sees this host at a public address, and what.
func (r *reachable) seen() iter.Seq2[view, observation] {
	return func(yield func(view, observation) bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for v, o := range r.observed {
			past := o.moves < r.moves && o.conn.IsClosed()
			if !past && manet.IsPublicAddr(o.at) && !yield(v, o) {
				return
			}
		}
	}
}

// behindRouter are the peers who are connected, to whom this host has dialled, and that see it come from an address
// that is not its own, and which one.
func (r *reachable) behindRouter() map[peer.ID]ma.Multiaddr {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[peer.ID]ma.Multiaddr{}
	for v, o := range r.observed {
		if !o.conn.IsClosed() && !o.at.Equal(o.conn.LocalMultiaddr()) {
			out[v.peer] = o.at
		}
	}
	return out
}

// viewers counts the peers that see this host with a medium, and reports whether p is one of them.
func (r *reachable) viewers(m medium, p peer.ID) (n int, one bool) {
	for v := range r.seen() {
		if v.medium == m {
			n, one = n+1, one || v.peer == p
		}
	}
	return n, one
}

// isSymmetric reports whether peers see this host at different addresses of one medium: its router draws another port for
// each destination, so what one peer sees is of no use to another, and no hole can be punched.
func (r *reachable) isSymmetric() bool {
	type place struct {
		medium medium
		from   string // the port here: a host may listen on several
	}
	at := map[place]ma.Multiaddr{}
	for v, o := range r.seen() {
		p := place{v.medium, o.conn.LocalMultiaddr()[1].Value()}
		if first, ok := at[p]; ok && first[0].Equal(&o.at[0]) && !first.Equal(o.at) {
			return true
		}
		at[p] = o.at
	}
	return false
}

// seenAt are the public addresses at which peers see this host.
func (r *reachable) seenAt() (out []ma.Multiaddr) {
	for _, o := range r.seen() {
		if !ma.Contains(out, o.at) && len(out) < maxBookAddrs {
			out = append(out, o.at)
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
