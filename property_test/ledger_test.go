package property_test

import (
	"encoding/binary"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// rank is the place of a write among those of its key, as bytes that compare
// as the writes do: fence, base, stamp, actor, each big endian. It is written
// apart from lwwmap.Order on purpose, as the rule that lwwmap must keep.
type rank string

func rankOf(r lwwmap.Record) rank {
	e := r.Entry()
	b := append(make([]byte, 0, lwwmap.TokenSize+24), e.Fence[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Base))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Stamp))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Dot.Actor))
	return rank(b)
}

// op is one write that was made somewhere, kept for ever.
type op struct {
	id      int
	slot    int // of its key, in ledger.slots
	dot     crdt.Dot
	rank    rank
	hash    lwwmap.Digest
	stamp   hlc.Timestamp
	expires hlc.Timestamp
	deleted bool
	kind    lwwmap.Kind
	epoch   uint64 // of a lease record
}

type slotKey struct {
	kind lwwmap.Kind
	key  string
}

// ledger is the set of all writes: the oracle's memory. It knows nothing of
// joins, contexts or horizons.
type ledger struct {
	ops     []*op
	slots   map[slotKey]int
	names   []slotKey
	bySlot  [][]*op
	byActor map[crdt.Actor][]*op // [seq-1]
	actors  []crdt.Actor         // in the order of their first write
	reading hlc.Timestamp        // the latest that any wall clock has shown
}

func newLedger() *ledger {
	return &ledger{slots: map[slotKey]int{}, byActor: map[crdt.Actor][]*op{}}
}

// slot returns the number of a key.
func (l *ledger) slot(k slotKey) int {
	i, ok := l.slots[k]
	if !ok {
		i = len(l.names)
		l.slots[k] = i
		l.names = append(l.names, k)
		l.bySlot = append(l.bySlot, nil)
	}
	return i
}

// find returns the write under a dot, nil if there was none.
func (l *ledger) find(d crdt.Dot) *op {
	if seqs := l.byActor[d.Actor]; d.Seq-1 < uint64(len(seqs)) {
		return seqs[d.Seq-1]
	}
	return nil
}

// add enters a new write. ok is false if its dot is not the next of its actor.
func (l *ledger) add(r lwwmap.Record) (o *op, ok bool) {
	dot := r.Dot()
	seqs := l.byActor[dot.Actor]
	if dot.Seq != uint64(len(seqs))+1 {
		return nil, false
	}
	if len(seqs) == 0 {
		l.actors = append(l.actors, dot.Actor)
	}
	o = &op{
		id: len(l.ops), slot: l.slot(slotKey{r.Kind(), r.Key()}), dot: dot, rank: rankOf(r), hash: r.Hash(),
		stamp: r.Stamp(), expires: r.Expires(), deleted: r.Deleted(), kind: r.Kind(),
	}
	if o.kind == lwwmap.Lease {
		o.epoch = r.Order().Fence.Epoch()
	}
	l.ops = append(l.ops, o)
	l.byActor[dot.Actor] = append(seqs, o)
	l.bySlot[o.slot] = append(l.bySlot[o.slot], o)
	return o, true
}

// dead says whether a write may be gone without a successor: a tombstone, an
// entry that expired by the latest clock, a lease record two days older than
// the day of its epoch.
func (l *ledger) dead(o *op) bool {
	switch {
	case o.deleted:
		return true
	case o.kind == lwwmap.Lease:
		return o.epoch>>32+2 < l.reading.Millis()/86_400_000
	}
	return o.expires != 0 && o.expires <= l.reading
}

// clone returns a ledger that goes on by itself; writes are shared.
func (l *ledger) clone() *ledger {
	c := newLedger()
	c.ops, c.names, c.actors = l.ops[:len(l.ops):len(l.ops)], l.names[:len(l.names):len(l.names)], l.actors[:len(l.actors):len(l.actors)]
	c.reading = l.reading
	for k, i := range l.slots {
		c.slots[k] = i
	}
	for _, ops := range l.bySlot {
		c.bySlot = append(c.bySlot, ops[:len(ops):len(ops)])
	}
	for a, ops := range l.byActor {
		c.byActor[a] = ops[:len(ops):len(ops)]
	}
	return c
}
