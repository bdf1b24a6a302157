package minikv

import (
	"slices"
	"strings"
	"time"
)

// Standing is how far a peer's copy of a registry is known here to be equal to this node's.
type Standing struct {
	Peer      PeerID
	Joined    bool          // it takes part in the registry's gossip now
	Synced    time.Time     // last exchange verified equal; zero: none
	Heard     time.Time     // when it last told what it holds; zero: never
	State     Digest        // what it told then, to compare with Registry.State
	Keys      uint64        // how many entries it held then
	ClockSkew time.Duration // how far its clock was ahead of this node's then; negative: behind
}

// Standings returns what is known of each peer that has shared the registry since it was opened, by ascending
// id. Between two exchanges gossip carries the changes, of which a peer says nothing: what differs from
// [Registry.State] is then merely older. Empty for an offline or closed registry.
func (r *Registry) Standings() []Standing {
	var joined []string
	if r.link != nil {
		joined = r.link.now().topic.Peers()
	}
	r.mu.RLock()
	out := make([]Standing, 0, len(r.peers))
	if r.err == nil {
		for id, p := range r.peers {
			out = append(out, Standing{
				Peer: id, Joined: slices.Contains(joined, string(id)), Synced: p.synced, Heard: p.seen, State: p.state, Keys: p.keys,
				ClockSkew: p.skew,
			})
		}
	}
	r.mu.RUnlock()
	slices.SortFunc(out, func(a, b Standing) int { return strings.Compare(string(a.Peer), string(b.Peer)) })
	return out
}

// State is the digest of all that the registry holds and has seen, tombstones and forgotten deletes included:
// what a node tells its peers at the start of an exchange, equal on two that are equal. Zero when closed.
func (r *Registry) State() Digest {
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return Digest{}
	}
	return Digest(r.rep.State(r.node.instant()))
}

// Ready returns nil while the node takes writes in every open registry, else the first reason why not:
// [ErrClosed], [ErrDiskFull], [ErrStorage] or [ErrCorrupt]. Reads may work all the same.
func (n *Node) Ready() error {
	if err := n.ready(); err != nil {
		return &Error{Op: "ready", Err: translate(err)}
	}
	return nil
}

func (n *Node) ready() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return ErrClosed
	}
	if n.store() != nil {
		if err := n.store().Writable(); err != nil {
			return err
		}
	}
	for _, r := range n.registries {
		if err := r.mayTake(); err != nil {
			return err
		}
	}
	return nil
}
