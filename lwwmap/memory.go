package lwwmap

import (
	"encoding/binary"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/tidwall/btree"
)

// memory is the table in memory. All its indexes are copy on write, which makes
// snapshots cheap.
type memory struct {
	bySlot map[uint64]seat
	spill  map[spilled]seat // keys whose slot another key holds
	index
	gen  uint64 // what was made under an earlier one belongs to a snapshot, too
	jobs indexJobs
}

// cell is the place of a key. As long as no snapshot shares it, a write over
// the key changes it and leaves the order of keys alone.
type cell struct {
	rec Record
	gen uint64
}

// seat is a cell as the hash table knows it. It has the record, too: a read
// needs one look at memory less.
type seat struct {
	rec Record
	*cell
}

// index is the part of the table that a snapshot shares.
type index struct {
	byKey    [kinds]*btree.BTreeG[ordered]
	byDot    btree.Map[crdt.Actor, *dotIndex]
	expiring *btree.BTreeG[timed]
	tombs    *btree.BTreeG[timed]
}

type spilled struct {
	kind Kind
	key  string
}

// ordered is a key in the order of keys; prefix saves most comparisons a look
// at the key itself.
type ordered struct {
	prefix uint64
	*cell
}

func (a ordered) less(b ordered) bool {
	if a.prefix != b.prefix {
		return a.prefix < b.prefix
	}
	return a.rec.Key() < b.rec.Key()
}

func order(c *cell) ordered { return ordered{prefixOf(c.rec.Key()), c} }

// pivot is a place in the order of keys: that of key or, if it is too long to
// be one, of the longest key before it.
func pivot(key string) ordered {
	return order(&cell{rec: pack(&Entry{Key: key[:min(len(key), MaxKeyLen)]})})
}

func prefixOf(key string) uint64 {
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// timed is a record in the order of its expiry or, for tombstones, its stamp.
type timed struct {
	at  hlc.Timestamp
	rec Record
}

func (a timed) less(b timed) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return beforeInIndex(a.rec, b.rec)
}

// beforeInIndex is the order of records that an index holds under one time or
// one dot: that of every table, so that all walk them alike.
func beforeInIndex(a, b Record) bool {
	if x, y := a.Kind(), b.Kind(); x != y {
		return x < y
	}
	return a.Key() < b.Key()
}

func newMemory() *memory {
	t := &memory{bySlot: map[uint64]seat{}, spill: map[spilled]seat{}}
	unlocked := btree.Options{NoLocks: true}
	for i := range t.byKey {
		t.byKey[i] = btree.NewBTreeGOptions(ordered.less, unlocked)
	}
	t.expiring = btree.NewBTreeGOptions(timed.less, unlocked)
	t.tombs = btree.NewBTreeGOptions(timed.less, unlocked)
	return t
}

func (t *memory) Get(kind Kind, key string) Record {
	s, _ := t.at(slot(kind, key), kind, key)
	return s.rec
}

func (t *memory) Find(kind Kind, key string) Place {
	p := NewPlace(kind, key, Record{})
	var s seat
	s, p.taken = t.at(p.slot, kind, key)
	p.Held, p.cell = s.rec, s.cell
	return p
}

// at returns the seat of a key, none if it holds nothing, and whether another
// key has taken its slot.
func (t *memory) at(slot uint64, kind Kind, key string) (s seat, taken bool) {
	if s = t.bySlot[slot]; s.cell != nil {
		if s.rec.Key() == key && s.rec.Kind() == kind {
			return s, false
		}
		taken = true
	}
	if len(t.spill) == 0 {
		return seat{}, taken
	}
	return t.spill[spilled{kind, key}], taken // also where the slot is free: the other key may have gone since
}

func (t *memory) Set(p *Place, r Record) {
	c, fresh := p.cell, false
	if c == nil || c.gen != t.gen {
		c, fresh = &cell{gen: t.gen}, true
	}
	t.seat(p, seat{r, c})
	t.jobs.do(t, indexJob{slot: p.slot, was: p.Held, now: r, cell: c, fresh: fresh})
}

// seat puts a cell where its key is found.
func (t *memory) seat(p *Place, s seat) {
	if p.taken {
		t.spill[spilled{p.kind, s.rec.Key()}] = s
		return
	}
	t.bySlot[p.slot] = s
	if len(t.spill) > 0 {
		delete(t.spill, spilled{p.kind, p.key})
	}
}

func (t *memory) Remove(p *Place) {
	c := p.cell
	t.unindex(c.rec)
	t.byKey[c.rec.Kind()-Data].Delete(order(c))
	if t.bySlot[p.slot].cell == c {
		delete(t.bySlot, p.slot)
		return
	}
	delete(t.spill, spilled{c.rec.Kind(), c.rec.Key()})
}

// reindex puts a record into the indexes that are not by key.
func (t *memory) reindex(r Record) {
	t.addDot(r)
	if at := r.Expires(); at != 0 {
		t.expiring.Set(timed{at, r})
	}
	if r.Deleted() {
		t.tombs.Set(timed{r.Stamp(), r})
	}
}

// unindex undoes reindex.
func (t *memory) unindex(r Record) {
	t.removeDot(r)
	if at := r.Expires(); at != 0 {
		t.expiring.Delete(timed{at, r})
	}
	if r.Deleted() {
		t.tombs.Delete(timed{r.Stamp(), r})
	}
}

func (t *memory) addDot(r Record) {
	dot := r.Dot()
	seqs := t.dotsOf(dot.Actor)
	if seqs == nil {
		seqs = &dotIndex{gen: t.gen}
		t.byDot.Set(dot.Actor, seqs)
	}
	seqs.set(dot.Seq, r)
}

func (t *memory) removeDot(r Record) {
	dot := r.Dot()
	if seqs := t.dotsOf(dot.Actor); seqs != nil {
		if seqs.remove(dot.Seq, r); seqs.count == 0 {
			t.byDot.Delete(dot.Actor)
		}
	}
}

// dotsOf returns an actor's index, nil if there is none, one that no snapshot
// shares: there may be very many actors, most of which write no more.
func (t *memory) dotsOf(a crdt.Actor) *dotIndex {
	seqs, ok := t.byDot.Get(a)
	if ok && seqs.gen != t.gen {
		seqs = seqs.fork(t.gen)
		t.byDot.Set(a, seqs)
	}
	return seqs
}

// Fork copies the indexes, in constant time; the table may go on changing.
func (t *memory) Fork() View {
	f := new(index)
	t.gen++
	for i, tree := range t.byKey {
		f.byKey[i] = tree.Copy()
	}
	f.byDot = *t.byDot.Copy()
	f.expiring, f.tombs = t.expiring.Copy(), t.tombs.Copy()
	return f
}

func (t *memory) ForkKind(kind Kind) View {
	f := new(index)
	t.gen++
	f.byKey[kind-Data] = t.byKey[kind-Data].Copy()
	return f
}

// Commit has nothing to do: what is in memory is as permanent as it gets.
func (*memory) Commit(*Step, func() *State) error { return nil }

func (*index) Err() error { return nil }

func (*index) Close() {}

// Get finds a key without the hash table, for snapshots.
func (x *index) Get(kind Kind, key string) Record {
	if o, ok := x.byKey[kind-Data].Get(pivot(key)); ok && o.rec.Key() == key {
		return o.rec
	}
	return Record{}
}

func (x *index) Ascend(kind Kind, from, to string, fn func(Record) bool) {
	x.byKey[kind-Data].Ascend(pivot(from), func(o ordered) bool {
		key := o.rec.Key()
		if to != "" && key >= to {
			return false
		}
		return key < from || fn(o.rec)
	})
}

func (x *index) Dots(span crdt.Span, fn func(Record) bool) {
	seqs, ok := x.byDot.Get(span.Actor)
	if !ok {
		return
	}
	for _, r := range span.Ranges {
		if !seqs.ascend(r.Lo, r.Hi, fn) {
			return
		}
	}
}

func (x *index) Expiring(fn func(Record) bool) {
	x.expiring.Scan(func(t timed) bool { return fn(t.rec) })
}

func (x *index) OldestTombstones(fn func(Record) bool) {
	x.tombs.Scan(func(t timed) bool { return fn(t.rec) })
}
