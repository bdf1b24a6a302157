package replica

import (
	"fmt"
	"time"

	"github.com/minikv/minikv/crdt"
)

const (
	// maxNew is how many actors in a row gossip brings of one peer, then one in each newEvery. A peer takes a new one each
	// time that it opens a registry and writes, and where its actor is used by somebody else (see forkBudget); one that
	// takes a new one for each message would have every context grow, for good. Sessions bring the others: a session
	// takes its turn.
	maxNew   = 64
	newEvery = time.Second
	// maxInventive bounds the peers of which this is remembered.
	maxInventive = 1 << 10
)

var errNewcomer = fmt.Errorf("%w: its author has taken many new actors of late", ErrBounds)

// newcomers is when each peer that took a new actor of late will have paid for all of them: a bucket that drains by one each
// newEvery (see load).
type newcomers map[string]time.Duration

// full says whether a peer took as many as it may.
func (n newcomers) full(peer string, at Instant) bool { return n[peer]-at.Mono > (maxNew-1)*newEvery }

// add notes that a peer took one.
func (n newcomers) add(peer string, at Instant) {
	if len(n) >= maxInventive {
		n.forget(at)
	}
	n[peer] = max(n[peer], at.Mono) + newEvery
}

// forget makes room, for those who took the most are remembered longest.
func (n newcomers) forget(at Instant) {
	for few := time.Duration(0); len(n) >= maxInventive; few = 2*few + newEvery {
		for peer, paid := range n {
			if paid-at.Mono <= few {
				delete(n, peer)
			}
		}
	}
}

// isNew says whether nothing of an actor was seen.
func (r *Replica) isNew(a crdt.Actor) bool { return len(r.m.Context().Of(a)) == 0 }
