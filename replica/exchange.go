package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/minikv/minikv/lwwmap"
)

// applyBatch bounds the entries applied under one hold of the replica's lock.
const applyBatch = 128

// maxNoRoom is how much a session may bring for which there is no room, by weight, before it ends: it cannot make both sides
// equal any more, and the next one would bring it again.
const maxNoRoom = 64 << 10

// handleEntries adds what the peer sent to the replica, and to the join.
func (s *Session) handleEntries(at Instant, f *Entries) error {
	if s.peerContext == nil || (s.gotLast && !f.Despite) {
		return fmt.Errorf("%w: entries out of turn", ErrProtocol)
	}
	if s.direction == Give && len(f.Entries) > 0 {
		return fmt.Errorf("%w: entries from a peer that may only read", ErrProtocol)
	}
	if len(f.Entries) == 0 && !f.Last {
		return fmt.Errorf("%w: frame of no entries", ErrProtocol)
	}
	for part := range slices.Chunk(f.Entries, applyBatch) {
		if s.applyAll(at, part, f.Despite); s.noRoom > maxNoRoom && s.sending.idle() {
			s.finish(at, Unverified, "the registry has no room here for what comes")
			return nil
		}
	}
	s.gotLast = s.gotLast || f.Last
	return nil
}

func (s *Session) applyAll(at Instant, entries []lwwmap.Entry, despite bool) {
	s.r.cfg.Lock.Lock()
	defer s.r.cfg.Lock.Unlock()
	was := s.r.stats.Refused
	defer func() { s.reasons.add(s.r.stats.Refused.Since(was)) }()
	for i := range entries {
		e := &entries[i]
		s.got++
		if _, err := s.r.apply(at, s.peer, *e, despite); err != nil {
			if s.refused++; errors.Is(err, ErrFull) {
				s.noRoom += e.Weight()
			}
			continue
		}
		k := itemKey{e.Kind, e.Key}
		rec := s.r.m.Get(e.Kind, e.Key)
		if rec.IsZero() || rec.Dot() != e.Dot {
			rec = s.snap.Pack(e)
		}
		if despite {
			s.joinDespite(k, rec)
		} else {
			s.joinUnseen(k, rec)
		}
	}
}

// joinUnseen joins an entry into the overlay by the rule of the whole-state
// join. This side's entry may survive although the peer has seen it and lost
// it, namely where the peer's horizon does not cover the loss; then the peer is
// to take it again.
func (s *Session) joinUnseen(k itemKey, theirs lwwmap.Record) {
	mine := s.view.get(k)
	if s.snap.Context().Has(theirs.Dot()) {
		return // told as unseen what this side's context holds: nothing new
	}
	a := lwwmap.Side{Horizon: horizonOf(s.snap.Horizons(), k.kind)}
	b := lwwmap.Side{Holds: true, Held: theirs.Item(), Horizon: horizonOf(s.peerHorizons, k.kind)}
	if !mine.IsZero() {
		a.Holds, a.Held = true, mine.Item()
		b.Seen = s.peerContext.Has(a.Held.Dot)
	}
	switch lwwmap.Resolve(a, b) {
	case lwwmap.First:
		if s.direction == Take {
			s.mirror(k, mine, mine, liveHash(theirs, s.when))
		} else if b.Seen {
			s.sending.repeat(mine)
		}
	case lwwmap.Second:
		if a.Holds && a.Held.Compare(b.Held) > 0 {
			s.view.drop(k, mine, theirs)
		}
		s.set(k, mine, theirs)
	}
}

// joinDespite joins an entry that the peer kept against this side's context.
func (s *Session) joinDespite(k itemKey, theirs lwwmap.Record) {
	mine := s.view.get(k)
	if !mine.IsZero() && mine.Compare(theirs) >= 0 {
		return
	}
	if d, ok := s.view.drops[k]; ok {
		s.view.drop(k, d.Was, theirs)
	}
	s.set(k, mine, theirs)
}

func horizonOf(h lwwmap.Horizons, k lwwmap.Kind) lwwmap.Order { return h.Of(k) }
