package replica

import (
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Direction says which way a session carries entries.
type Direction uint8

const (
	// TwoWay is a session of two replicas that may both write.
	TwoWay Direction = iota
	// Give is a session with a peer that may only read: nothing that it says
	// changes this replica. Its context and its items only choose what it is sent.
	Give
	// Take is the other side of such a session. It learns all that the peer holds,
	// and says nothing but what it has seen.
	Take
)

// Only makes a session one of one direction. Both sides have to be told, one
// Give and the other Take, before the first frame is handled.
func (s *Session) Only(d Direction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.direction = d
	s.r.cfg.Lock.Lock()
	defer s.r.cfg.Lock.Unlock()
	if p := s.r.peers.find(s.peer); p != nil {
		p.takes = d == Give
	}
}

// What the two sides of a session with a reader verify. The writer's state does
// not change, so what the reader compares with the writer's digest is not the join
// of both, but what of it the writer holds: the mirror. At first that is the
// reader's own entries without those that the writer's context lacks; then each
// entry that arrives, and each item that an audit shows, puts in its place what the
// writer holds for the key. When both digests are the same, the reader has
// settled, for every key of the writer, what the join comes to. Where the writer has
// seen all that the reader has, both are equal then.

// writers is the choice of what the writer holds. Where its context covers the
// reader's, it has judged by all that the reader knows and more, so the reader takes
// its entry even if by contexts alone neither would keep one. Else a delete that only
// a reader remembers, since who made it has lost its memory, would make that reader
// differ for ever: nobody takes a delete from it.
func (s *Session) writers() lwwmap.Choice {
	if s.direction == Take {
		return lwwmap.Second
	}
	return lwwmap.First
}

// beginMirror takes out of the digest what the writer has not seen.
func (s *Session) beginMirror() {
	for _, span := range s.snap.Context().Sub(s.peerContext) {
		s.snap.Dots(span, func(rec lwwmap.Record) bool {
			s.view.sums.Sub(lwwmap.BucketOf(rec.Kind(), rec.Key()), liveHash(rec, s.when))
			return true
		})
	}
}

// inMirror is the hash that the digest has for a key of which the join holds mine.
func (s *Session) inMirror(k itemKey, mine lwwmap.Record) lwwmap.Digest {
	if h, ok := s.view.mirrored[k]; ok {
		return h
	}
	return s.presumed(mine)
}

// presumed is the hash of what the writer holds for a key if nothing more is known
// than that the join holds mine.
func (s *Session) presumed(mine lwwmap.Record) lwwmap.Digest {
	if mine.IsZero() || !s.peerContext.Has(mine.Dot()) {
		return lwwmap.Digest{}
	}
	return liveHash(mine, s.when)
}

// mirror notes that the writer holds an entry of this hash for a key, zero if none
// that counts, while the join goes on from was to now.
func (s *Session) mirror(k itemKey, was, now lwwmap.Record, theirs lwwmap.Digest) {
	bucket, held := lwwmap.BucketOf(k.kind, k.key), s.inMirror(k, was)
	s.view.sums.Sub(bucket, held)
	s.view.sums.Add(bucket, theirs)
	switch {
	case theirs == s.presumed(now):
		delete(s.view.mirrored, k)
	case len(s.view.mirrored) >= maxOverlay:
		s.view.full, s.view.changed = true, nil
	default:
		s.view.mirrored[k] = theirs
	}
}

// set makes now, which the peer holds, the join's record of a key that held was.
func (s *Session) set(k itemKey, was, now lwwmap.Record) {
	if s.direction != Take {
		s.view.set(k, was, now)
		return
	}
	s.mirror(k, was, now, liveHash(now, s.when))
	s.view.keep(k, now)
}

// liveHash is what a record adds to a digest.
func liveHash(r lwwmap.Record, when hlc.Timestamp) lwwmap.Digest {
	if r.IsZero() || r.Dead(when) {
		return lwwmap.Digest{}
	}
	return r.Hash()
}

// settleTaking is settleKey for a side that may only read: what it keeps, the
// writer does not take. An item that it is to have instead counts when it comes.
func (s *Session) settleTaking(k itemKey, mine lwwmap.Record, theirs lwwmap.Item, theyHold bool, choice lwwmap.Choice) {
	var held lwwmap.Digest
	if theyHold && !theirs.Dead(s.when) && choice != lwwmap.Second {
		held = theirs.Hash
	}
	now := mine
	if choice == lwwmap.Second || choice == lwwmap.Neither {
		now = lwwmap.Record{}
	}
	s.mirror(k, mine, now, held)
	if !mine.IsZero() && now.IsZero() {
		s.view.drop(k, mine, now)
		s.view.keep(k, now)
	}
}
