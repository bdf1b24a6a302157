package p2p

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// proofPatience is for how long a peer that is a member of one topic may be in another one before it has
// shown that it is a member of that, too.
const proofPatience = time.Minute

// maxProofTopics bounds the topics that are remembered of a peer.
const maxProofTopics = 256

// proofs knows which peers have shown that they are members of what this host shares, and until when they are.
type proofs struct {
	now      func() time.Time
	mu       sync.RWMutex
	patience time.Duration
	peers    map[peer.ID]map[string]time.Time // by topic, until when; the zero time: for good
}

func newProofs(now func() time.Time) *proofs {
	return &proofs{now: now, patience: proofPatience, peers: make(map[peer.ID]map[string]time.Time)}
}

// note takes a proof down. It reports whether there was none that holds.
func (f *proofs) note(p peer.ID, topic string, until time.Time) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.peers[p]
	if of == nil || len(of) >= maxProofTopics {
		if len(f.peers) >= maxConduct {
			clear(f.peers)
		}
		of = make(map[string]time.Time)
		f.peers[p] = of
	}
	was, known := of[topic]
	of[topic] = until
	return f.holds(until) && !(known && f.holds(was))
}

func (f *proofs) holds(until time.Time) bool { return until.IsZero() || f.now().Before(until) }

func (f *proofs) forget(p peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.peers, p)
}

// any reports whether a proof of the peer's holds.
func (f *proofs) any(p peer.ID) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, until := range f.peers[p] {
		if f.holds(until) {
			return true
		}
	}
	return false
}

// lacks reports whether the peer has yet to prove that it may be in a topic, in which it is since then: at once where
// its membership has ended.
func (f *proofs) lacks(p peer.ID, topic string, since time.Time) bool {
	f.mu.RLock()
	until, known := f.peers[p][topic]
	patience := f.patience
	f.mu.RUnlock()
	if known {
		return !f.holds(until)
	}
	return time.Since(since) > patience
}

// Prove notes that the peer has shown that it is a member of a topic that this host shares, until then; the zero time
// is for good. With Config.ProveFirst it is sent gossip, and told of other members, from now on. It reports whether that
// is new; an id that is none is ignored.
//
// Gossip of all topics is kept from a peer whose membership in one has ended, or that did not show it for a minute, for as
// long as the peer is in that one: what gossipsub sends to a peer cannot be told apart by topic.
func (h *Host) Prove(id, topic string, until time.Time) bool {
	p, err := peer.Decode(id)
	if err != nil || !h.cfg.ProveFirst {
		return false
	}
	first := !h.proofs.any(p)
	if !h.proofs.note(p, topic, until) {
		return false
	}
	if first && !h.gate.strict && h.greets(p) {
		h.greeter.greet(p)
	}
	return true
}

// isProved reports whether the peer may have what members have.
func (h *Host) isProved(p peer.ID) bool {
	if !h.cfg.ProveFirst {
		return true
	}
	if !h.proofs.any(p) {
		return false
	}
	proved := true
	h.topics.Range(func(name, _ any) bool {
		since, in := h.subs.since(p, name.(string))
		proved = !in || !h.proofs.lacks(p, name.(string), since)
		return proved
	})
	return proved
}
