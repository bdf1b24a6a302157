package replica

import (
	"fmt"
	"slices"

	"github.com/minikv/minikv/lwwmap"
)

// An audit settles what contexts cannot tell: collected tombstones, damage,
// lies. The dialler sends its tops, the other side the leaves of those that
// differ, the dialler its items in the buckets that differ, the other side its
// own; then both join these keys alike. It goes in rounds, bounded in size.
const (
	maxRoundTops    = 16
	maxRoundBuckets = 4 << 10
	maxFrameItems   = 1 << 10
	maxRoundItems   = 1 << 20
	maxRounds       = 1 << 10
)

type audit struct {
	round   uint64
	busy    bool // between the tops and the end of the items
	buckets map[lwwmap.Bucket]bool
	mine    map[itemKey]lwwmap.Record
	theirs  []KeyItem
	before  [2]lwwmap.Digest // roots of both sides when the last round began
}

func (s *Session) beginRound(at Instant) {
	a := &s.audit
	roots := [2]lwwmap.Digest{s.told.Root, s.heard.Root}
	if a.round >= maxRounds || a.before == roots {
		s.finish(at, Unverified, "an audit did not make both sides equal")
		return
	}
	a.before, a.busy = roots, true
	s.rounds += 2
	f := &Tops{}
	for i, sum := range s.view.sums.Tops() {
		f.Sums = append(f.Sums, TopSum{i, sum})
	}
	s.queue = append(s.queue, f)
}

func (s *Session) handleTops(f *Tops) error {
	if s.dialer || !s.gotLast || s.audit.busy || s.view.full {
		return fmt.Errorf("%w: tops out of turn", ErrProtocol)
	}
	var sums [lwwmap.Fanout]lwwmap.Digest
	for _, t := range f.Sums {
		sums[t.Top] = t.Sum
	}
	answer := &Leaves{}
	for i := range sums {
		top := byte(i)
		if s.view.sums.Top(top) == sums[i] || len(answer.Tops) == maxRoundTops {
			continue
		}
		answer.Tops = append(answer.Tops, top)
		for leaf := range lwwmap.Fanout {
			b := lwwmap.Bucket(i<<8 | leaf)
			if sum := s.view.sums.Leaf(b); !sum.IsZero() {
				answer.Sums = append(answer.Sums, LeafSum{b, sum})
			}
		}
	}
	s.audit.busy = true
	s.queue = append(s.queue, answer)
	return nil
}

func (s *Session) handleLeaves(f *Leaves) error {
	if !s.dialer || !s.audit.busy || s.audit.buckets != nil || len(f.Tops) > maxRoundTops {
		return fmt.Errorf("%w: leaves out of turn", ErrProtocol)
	}
	theirs := make(map[lwwmap.Bucket]lwwmap.Digest, len(f.Sums))
	for _, l := range f.Sums {
		theirs[l.Bucket] = l.Sum
	}
	var differ []lwwmap.Bucket
	for _, top := range f.Tops {
		for leaf := range lwwmap.Fanout {
			b := lwwmap.Bucket(top)<<8 | lwwmap.Bucket(leaf)
			if s.view.sums.Leaf(b) != theirs[b] && len(differ) < maxRoundBuckets {
				differ = append(differ, b)
			}
		}
	}
	return s.tellItems(differ, differ)
}

// tellItems queues this side's items of the buckets, in parts; announce is
// what the first part names.
func (s *Session) tellItems(buckets, announce []lwwmap.Bucket) error {
	a := &s.audit
	a.buckets = make(map[lwwmap.Bucket]bool, len(buckets))
	for _, b := range buckets {
		a.buckets[b] = true
	}
	a.mine = map[itemKey]lwwmap.Record{}
	var items []KeyItem
	s.view.bucketItems(a.buckets, func(k itemKey, r lwwmap.Record) {
		a.mine[k] = r
		items = append(items, KeyItem{k.kind, k.key, r.Item()})
	})
	if len(items) > maxRoundItems {
		return fmt.Errorf("%w: %d items in a round of audit", ErrBounds, len(items))
	}
	slices.SortFunc(items, func(a, b KeyItem) int { return a.Dot.Compare(b.Dot) })
	for first := true; first || len(items) > 0; first = false {
		n := min(len(items), maxFrameItems)
		f := &Items{Items: items[:n], Last: n == len(items)}
		if first {
			f.Buckets = announce
		}
		items = items[n:]
		s.queue = append(s.queue, f)
	}
	return nil
}

func (s *Session) handleItems(f *Items) error {
	a := &s.audit
	if !a.busy || (s.dialer && a.buckets == nil) || len(f.Buckets) > maxRoundBuckets {
		return fmt.Errorf("%w: items out of turn", ErrProtocol)
	}
	if !s.dialer && a.buckets == nil {
		if err := s.tellItems(f.Buckets, nil); err != nil {
			return err
		}
	}
	if a.theirs = append(a.theirs, f.Items...); len(a.theirs) > maxRoundItems {
		return fmt.Errorf("%w: more than %d items in a round of audit", ErrBounds, maxRoundItems)
	}
	if f.Last {
		s.settleRound()
	}
	return nil
}

// settleRound joins the audited keys. Both sides come to the same choices;
// each sends what it keeps and the other lacks.
func (s *Session) settleRound() {
	a := &s.audit
	for _, it := range a.theirs {
		k := itemKey{it.Kind, it.Key}
		if a.buckets[lwwmap.BucketOf(k.kind, k.key)] {
			s.settleKey(k, a.mine[k], it.Item, true)
			delete(a.mine, k)
		}
	}
	rest := make([]lwwmap.Record, 0, len(a.mine))
	for _, r := range a.mine {
		rest = append(rest, r)
	}
	slices.SortFunc(rest, func(x, y lwwmap.Record) int { return x.Dot().Compare(y.Dot()) })
	for _, r := range rest {
		s.settleKey(itemKey{r.Kind(), r.Key()}, r, lwwmap.Item{}, false)
	}
	s.audit = audit{round: a.round + 1, before: a.before}
}

func (s *Session) settleKey(k itemKey, mine lwwmap.Record, theirs lwwmap.Item, theyHold bool) {
	a := lwwmap.Side{Horizon: horizonOf(s.snap.Horizons(), k.kind)}
	b := lwwmap.Side{Holds: theyHold, Held: theirs, Horizon: horizonOf(s.peerHorizons, k.kind)}
	if theyHold {
		a.Seen = s.snap.Context().Has(theirs.Dot)
	}
	if !mine.IsZero() {
		a.Holds, a.Held = true, mine.Item()
		b.Seen = s.peerContext.Has(a.Held.Dot)
	}
	switch lwwmap.Resolve(a, b) {
	case lwwmap.First:
		s.sending.again(mine)
	case lwwmap.Second, lwwmap.Neither:
		if a.Holds {
			s.view.drop(k, mine, lwwmap.Record{})
			s.view.set(k, mine, lwwmap.Record{})
		}
	}
}
