package lwwmap

import (
	"encoding/binary"
	"unsafe"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/tidwall/btree"
)

// table holds the records of a map and their indexes: by key, in the order of
// keys, by dot, and by time for what expires or is a tombstone. It knows
// nothing of joins. All indexes are copy on write, which makes snapshots cheap.
type table struct {
	digestKey Digest
	bySlot    map[uint64]*cell
	spill     map[spilled]*cell // keys whose slot another key holds
	index
	gen        uint64 // what was made under an earlier one belongs to a snapshot, too
	live       [kinds]int
	tombstones int
	bytes      int64
}

// cell is the place of a key. As long as no snapshot shares it, a write over
// the key changes it and leaves the order of keys alone.
type cell struct {
	rec Record
	gen uint64
}

// index is the part of the table that a snapshot shares.
type index struct {
	byKey    [kinds]*btree.BTreeG[ordered]
	byDot    map[crdt.Actor]*dotIndex
	expiring *btree.BTreeG[timed]
	tombs    *btree.BTreeG[timed]
	sums     HashTree
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
	b := pack(&Entry{Key: key[:min(len(key), MaxKeyLen)]})
	return order(&cell{rec: Record{unsafe.SliceData(b)}})
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
	if x, y := a.rec.Key(), b.rec.Key(); x != y {
		return x < y
	}
	return a.rec.Kind() < b.rec.Kind()
}

func newTable(digestKey Digest) *table {
	t := &table{digestKey: digestKey, bySlot: map[uint64]*cell{}, spill: map[spilled]*cell{}}
	unlocked := btree.Options{NoLocks: true}
	for i := range t.byKey {
		t.byKey[i] = btree.NewBTreeGOptions(ordered.less, unlocked)
	}
	t.byDot = map[crdt.Actor]*dotIndex{}
	t.expiring = btree.NewBTreeGOptions(timed.less, unlocked)
	t.tombs = btree.NewBTreeGOptions(timed.less, unlocked)
	t.sums.gen = new(byte)
	return t
}

// get returns what is held for a key.
func (t *table) get(kind Kind, key string) Record {
	if c := t.at(slot(kind, key), kind, key); c != nil {
		return c.rec
	}
	return Record{}
}

// at returns the cell of a key, nil if it holds nothing.
func (t *table) at(slot uint64, kind Kind, key string) *cell {
	if c := t.bySlot[slot]; c != nil && c.rec.Key() == key && c.rec.Kind() == kind {
		return c
	}
	if len(t.spill) == 0 {
		return nil
	}
	return t.spill[spilled{kind, key}] // also where the slot is free: its key may have gone since
}

// set stores r; c is what at returns for its key.
func (t *table) set(slot uint64, c *cell, r Record) {
	switch {
	case c == nil:
		t.place(slot, &cell{r, t.gen})
	case c.gen == t.gen:
		t.unindex(slot, c.rec)
		c.rec = r
	default:
		t.unindex(slot, c.rec)
		t.place(slot, &cell{r, t.gen})
	}
	t.reindex(slot, r)
}

// place puts a new cell where its key is found.
func (t *table) place(slot uint64, c *cell) {
	kind, key := c.rec.Kind(), c.rec.Key()
	if first, taken := t.bySlot[slot]; taken && (first.rec.Key() != key || first.rec.Kind() != kind) {
		t.spill[spilled{kind, key}] = c
	} else {
		t.bySlot[slot] = c
		delete(t.spill, spilled{kind, key})
	}
	t.byKey[kind-Data].Set(order(c))
}

// remove takes a key out; c is what at returns for it.
func (t *table) remove(slot uint64, c *cell) {
	t.unindex(slot, c.rec)
	t.byKey[c.rec.Kind()-Data].Delete(order(c))
	if t.bySlot[slot] == c {
		delete(t.bySlot, slot)
		return
	}
	delete(t.spill, spilled{c.rec.Kind(), c.rec.Key()})
}

// reindex puts a record into the indexes that are not by key.
func (t *table) reindex(slot uint64, r Record) {
	t.addDot(r)
	t.bytes += int64(r.Size())
	if at := r.Expires(); at != 0 {
		t.expiring.Set(timed{at, r})
	}
	if r.Deleted() {
		t.tombstones++
		t.tombs.Set(timed{r.Stamp(), r})
		return
	}
	t.live[r.Kind()-Data]++
	t.sums.Add(bucketOf(slot), r.Hash())
}

// unindex undoes reindex.
func (t *table) unindex(slot uint64, r Record) {
	t.removeDot(r)
	t.bytes -= int64(r.Size())
	if at := r.Expires(); at != 0 {
		t.expiring.Delete(timed{at, r})
	}
	if r.Deleted() {
		t.tombstones--
		t.tombs.Delete(timed{r.Stamp(), r})
		return
	}
	t.live[r.Kind()-Data]--
	t.sums.Sub(bucketOf(slot), r.Hash())
}

func (t *table) addDot(r Record) {
	dot := r.Dot()
	seqs := t.byDot[dot.Actor]
	if seqs == nil {
		seqs = new(dotIndex)
		t.byDot[dot.Actor] = seqs
	}
	seqs.set(dot.Seq, r, t.gen)
}

func (t *table) removeDot(r Record) {
	dot := r.Dot()
	if seqs := t.byDot[dot.Actor]; seqs != nil {
		if seqs.remove(dot.Seq, r, t.gen); seqs.count == 0 {
			delete(t.byDot, dot.Actor)
		}
	}
}

// fork copies the indexes for a snapshot; the table may go on changing.
func (t *table) fork() (f index) {
	t.gen++
	for i, tree := range t.byKey {
		f.byKey[i] = tree.Copy()
	}
	f.byDot = make(map[crdt.Actor]*dotIndex, len(t.byDot))
	for actor, seqs := range t.byDot {
		f.byDot[actor] = seqs.fork()
	}
	f.expiring, f.tombs = t.expiring.Copy(), t.tombs.Copy()
	f.sums = t.sums.Fork()
	return f
}

// forkKind copies the order of one kind of keys.
func (t *table) forkKind(kind Kind) (f index) {
	t.gen++
	f.byKey[kind-Data] = t.byKey[kind-Data].Copy()
	return f
}

// lookup finds a key without the hash table, for snapshots.
func (x *index) lookup(kind Kind, key string) Record {
	if o, ok := x.byKey[kind-Data].Get(pivot(key)); ok && o.rec.Key() == key {
		return o.rec
	}
	return Record{}
}

// Ascend calls fn for each record of a kind with from <= key < to, in the
// order of keys and tombstones included, until fn returns false. An empty to
// means to the end. The map must not be written meanwhile.
func (x *index) Ascend(kind Kind, from, to string, fn func(Record) bool) {
	x.byKey[kind-Data].Ascend(pivot(from), func(o ordered) bool {
		key := o.rec.Key()
		if to != "" && key >= to {
			return false
		}
		return key < from || fn(o.rec)
	})
}

// Dots calls fn for each record held under a dot of the span, in ascending
// order, until fn returns false.
func (x *index) Dots(span crdt.Span, fn func(Record) bool) {
	seqs := x.byDot[span.Actor]
	if seqs == nil {
		return
	}
	for _, r := range span.Ranges {
		if !seqs.ascend(r.Lo, r.Hi, fn) {
			return
		}
	}
}

// RootAt returns the digest without the entries that are dead at the given
// time.
func (x *index) RootAt(at hlc.Timestamp) Digest {
	root := x.sums.root
	x.expiredAt(at, func(r Record) { root = root.Sub(r.Hash()) })
	return root
}

// expiredAt calls fn for what is in the digest although it has expired.
func (x *index) expiredAt(at hlc.Timestamp, fn func(Record)) {
	x.expiring.Scan(func(t timed) bool {
		if t.at > at {
			return false
		}
		if !t.rec.Deleted() {
			fn(t.rec)
		}
		return true
	})
}
