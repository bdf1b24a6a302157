package lwwmap

import (
	"encoding/binary"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/tidwall/btree"
)

// table holds the records of a map and their indexes: by key, in the order of
// keys, by dot, and by time for what expires or is a tombstone. It knows
// nothing of joins. All trees are copy on write, which makes snapshots cheap.
type table struct {
	digestKey Digest
	bySlot    map[uint64]Record
	spill     map[spilled]Record // keys whose slot another key holds
	index
	live       [kinds]int
	tombstones int
	bytes      int64
}

// index is the part of the table that a snapshot shares.
type index struct {
	byKey    [kinds]*btree.BTreeG[ordered]
	byDot    map[crdt.Actor]*btree.Map[uint64, Record]
	expiring *btree.BTreeG[timed]
	tombs    *btree.BTreeG[timed]
	sums     HashTree
}

type spilled struct {
	kind Kind
	key  string
}

// ordered is a record in the order of keys; prefix saves most comparisons a
// look at the key itself.
type ordered struct {
	prefix uint64
	rec    Record
}

func (a ordered) less(b ordered) bool {
	if a.prefix != b.prefix {
		return a.prefix < b.prefix
	}
	return a.rec.Key() < b.rec.Key()
}

func order(r Record) ordered { return ordered{prefixOf(r.Key()), r} }

// pivot is a place in the order of keys.
func pivot(key string) ordered { return order(Pack(&Entry{Key: key}, Digest{})) }

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
	t := &table{digestKey: digestKey, bySlot: map[uint64]Record{}, spill: map[spilled]Record{}}
	unlocked := btree.Options{NoLocks: true}
	for i := range t.byKey {
		t.byKey[i] = btree.NewBTreeGOptions(ordered.less, unlocked)
	}
	t.byDot = map[crdt.Actor]*btree.Map[uint64, Record]{}
	t.expiring = btree.NewBTreeGOptions(timed.less, unlocked)
	t.tombs = btree.NewBTreeGOptions(timed.less, unlocked)
	t.sums.gen = new(byte)
	return t
}

// get returns what is held for a key.
func (t *table) get(kind Kind, key string) Record { return t.at(slot(kind, key), kind, key) }

func (t *table) at(slot uint64, kind Kind, key string) Record {
	r, ok := t.bySlot[slot]
	if !ok || (r.Key() == key && r.Kind() == kind) {
		return r
	}
	if len(t.spill) == 0 {
		return Record{}
	}
	return t.spill[spilled{kind, key}]
}

// set puts r in the place of was, which is what get returns for its key.
func (t *table) set(slot uint64, r, was Record) {
	if !was.IsZero() {
		t.unindex(slot, was)
	}
	if first, taken := t.bySlot[slot]; taken && (was.IsZero() || first != was) {
		t.spill[spilled{r.Kind(), r.Key()}] = r
	} else {
		t.bySlot[slot] = r
	}
	t.byKey[r.Kind()-Data].Set(order(r))
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

// remove takes r, which is held, out.
func (t *table) remove(slot uint64, r Record) {
	t.unindex(slot, r)
	t.byKey[r.Kind()-Data].Delete(order(r))
	if t.bySlot[slot] != r {
		delete(t.spill, spilled{r.Kind(), r.Key()})
		return
	}
	delete(t.bySlot, slot)
}

// unindex undoes what set did, but for the places found by key.
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
		seqs = new(btree.Map[uint64, Record])
		t.byDot[dot.Actor] = seqs
	}
	seqs.Set(dot.Seq, r)
}

// removeDot leaves the row alone if, by a misbehaving writer's doing, another
// record has taken the same dot.
func (t *table) removeDot(r Record) {
	dot := r.Dot()
	seqs := t.byDot[dot.Actor]
	if held, ok := seqs.Get(dot.Seq); ok && held == r {
		if seqs.Delete(dot.Seq); seqs.Len() == 0 {
			delete(t.byDot, dot.Actor)
		}
	}
}

// fork copies the indexes; both copies may go on changing.
func (x *index) fork() (f index) {
	for i, tree := range x.byKey {
		f.byKey[i] = tree.Copy()
	}
	f.byDot = make(map[crdt.Actor]*btree.Map[uint64, Record], len(x.byDot))
	for actor, seqs := range x.byDot {
		f.byDot[actor] = seqs.Copy()
	}
	f.expiring, f.tombs = x.expiring.Copy(), x.tombs.Copy()
	f.sums = x.sums.Fork()
	return f
}

// lookup finds a key without the hash table, for snapshots.
func (x *index) lookup(kind Kind, key string) Record {
	o, _ := x.byKey[kind-Data].Get(pivot(key))
	return o.rec
}

// Ascend calls fn for each record of a kind with from <= key < to, in the
// order of keys and tombstones included, until fn returns false. An empty to
// means to the end. The map must not be written meanwhile.
func (x *index) Ascend(kind Kind, from, to string, fn func(Record) bool) {
	x.byKey[kind-Data].Ascend(pivot(from), func(o ordered) bool {
		if to != "" && o.rec.Key() >= to {
			return false
		}
		return fn(o.rec)
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
		more := true
		seqs.Ascend(r.Lo, func(seq uint64, rec Record) bool {
			if seq > r.Hi {
				return false
			}
			more = fn(rec)
			return more
		})
		if !more {
			return
		}
	}
}

// RootAt returns the digest without the entries that are dead at the given
// time.
func (x *index) RootAt(at hlc.Timestamp) Digest { return x.sumsAt(at, false).root }

// SumsAt returns the digest tree without the entries that are dead at the
// given time. The caller owns it.
func (x *index) SumsAt(at hlc.Timestamp) HashTree { return x.sumsAt(at, true) }

func (x *index) sumsAt(at hlc.Timestamp, leaves bool) HashTree {
	var f HashTree
	if leaves {
		f = x.sums.Fork()
	} else {
		f.root = x.sums.root
	}
	x.expiring.Scan(func(t timed) bool {
		if t.at > at {
			return false
		}
		if t.rec.Deleted() {
			return true
		}
		if leaves {
			f.Sub(BucketOf(t.rec.Kind(), t.rec.Key()), t.rec.Hash())
		} else {
			f.root = f.root.Sub(t.rec.Hash())
		}
		return true
	})
	return f
}
