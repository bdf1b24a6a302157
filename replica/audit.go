package replica

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/minikv/minikv/crdt"
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
	maxRounds       = 1 << 8
	// itemSize is about what an item takes in memory beyond its key.
	itemSize = 160
	// maxRoundBytes bounds what the items of the peer take in one round.
	maxRoundBytes = 64 << 20
)

// maxRoundItems bounds the items of either side in one round. Variable for
// tests.
var maxRoundItems = maxRoundBytes / itemSize

type audit struct {
	round   uint64
	busy    bool // between the tops and the end of the items
	buckets map[lwwmap.Bucket]bool
	mine    map[itemKey]lwwmap.Record
	theirs  []KeyItem
	size    int              // of theirs
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
	if s.dialer || !s.gotLast || s.audit.busy || s.audit.round >= maxRounds || s.view.full {
		return fmt.Errorf("%w: tops out of turn", ErrProtocol)
	}
	if len(s.queue) > 0 || !s.sending.idle() {
		return fmt.Errorf("%w: tops before the last answers were taken", ErrProtocol)
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
	most := s.bucketsPerRound()
	for _, top := range f.Tops {
		for leaf := range lwwmap.Fanout {
			b := lwwmap.Bucket(top)<<8 | lwwmap.Bucket(leaf)
			if s.view.sums.Leaf(b) != theirs[b] && len(differ) < most {
				differ = append(differ, b)
			}
		}
	}
	return s.tellItems(differ, differ)
}

// bucketsPerRound is how many buckets a round takes: fewer where they are full,
// so that the items stay well below their bound.
func (s *Session) bucketsPerRound() int {
	const all = lwwmap.Fanout * lwwmap.Fanout
	keys := uint64(s.snap.Len(lwwmap.Data)) + min(s.keys, 1<<40)
	return int(max(1, min(maxRoundBuckets, uint64(maxRoundItems)/4/(1+keys/all))))
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
	slices.SortFunc(items, func(a, b KeyItem) int {
		return compareInTime(a.Dot, itemKey{a.Kind, a.Key}, b.Dot, itemKey{b.Kind, b.Key})
	})
	for first := true; first || len(items) > 0; first = false {
		n, size := 0, 0
		for n < min(len(items), maxFrameItems) && size < s.sending.frame {
			size += itemSize + len(items[n].Key)
			n++
		}
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
	if !a.busy || (s.dialer && a.buckets == nil) || len(f.Buckets) > maxRoundBuckets || (len(f.Items) == 0 && len(f.Buckets) == 0 && !f.Last) {
		return fmt.Errorf("%w: items out of turn", ErrProtocol)
	}
	if !s.dialer && a.buckets == nil {
		if err := s.tellItems(f.Buckets, nil); err != nil {
			return err
		}
	}
	if err := s.takeItems(f.Items); err != nil {
		return err
	}
	if f.Last {
		s.settleRound()
	}
	return nil
}

// takeItems keeps a part of the peer's items until the round is settled.
func (s *Session) takeItems(items []KeyItem) error {
	a := &s.audit
	for _, it := range items {
		if !a.buckets[lwwmap.BucketOf(it.Kind, it.Key)] {
			return fmt.Errorf("%w: item of a bucket that is not under audit", ErrProtocol)
		}
		if it.Kind != lwwmap.Origin && len(it.Key) > s.r.cfg.MaxKey {
			return fmt.Errorf("%w: item with a key of %d bytes", ErrBounds, len(it.Key))
		}
		a.size += itemSize + len(it.Key)
	}
	a.theirs = append(a.theirs, items...)
	if len(a.theirs) > maxRoundItems || a.size > maxRoundBytes {
		return fmt.Errorf("%w: %d items in a round of audit", ErrBounds, len(a.theirs))
	}
	return nil
}

// settleRound joins the audited keys. Both sides come to the same choices;
// each sends what it keeps and the other lacks.
func (s *Session) settleRound() {
	a := &s.audit
	for _, it := range a.theirs {
		k := itemKey{it.Kind, it.Key}
		s.settleKey(k, a.mine[k], it.Item, true)
		delete(a.mine, k)
	}
	rest := make([]lwwmap.Record, 0, len(a.mine))
	for _, r := range a.mine {
		rest = append(rest, r)
	}
	slices.SortFunc(rest, compareRecords)
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
	choice := lwwmap.Resolve(a, b)
	if choice == lwwmap.Neither && s.covered && (s.direction == Take && theyHold || s.direction == Give && a.Holds) {
		choice = s.writers()
	}
	if s.direction == Take {
		s.settleTaking(k, mine, theirs, theyHold, choice)
		return
	}
	switch choice {
	case lwwmap.First:
		s.sending.repeat(mine)
	case lwwmap.Second, lwwmap.Neither:
		if a.Holds && s.direction == TwoWay {
			s.view.drop(k, mine, lwwmap.Record{})
			s.view.set(k, mine, lwwmap.Record{})
		}
	}
}

// compareInTime orders by dot and, for dots that were used twice, by key: so
// that what is taken out of a map has the same order in every run.
func compareInTime(a crdt.Dot, k itemKey, b crdt.Dot, l itemKey) int {
	return cmp.Or(a.Compare(b), cmp.Compare(k.key, l.key), cmp.Compare(k.kind, l.kind))
}

func compareRecords(x, y lwwmap.Record) int {
	return compareInTime(x.Dot(), itemKey{x.Kind(), x.Key()}, y.Dot(), itemKey{y.Kind(), y.Key()})
}
