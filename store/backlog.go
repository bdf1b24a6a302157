package store

import (
	"math"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// backlog keeps what one actor has written and nobody has read by dot since: what
// was just written is sent to peers next, in the order of dots, and would have to
// be looked for key by key all over the table. It is exact: for the seqs that it
// speaks of it has the records that are held, and no others. Whose dots are asked
// for is the actor it keeps from then on; a fork is never asked.
//
// The oldest records are in memory. Beyond a bound, those that follow lie in a
// scratch file, in the same order, until they are wanted.
type backlog struct {
	spill spill
	limit int // bytes of records in memory

	actor  crdt.Actor      // zero: nobody asks
	from   uint64          // it speaks of the seqs from here on; zero: of none
	to     uint64          // nothing is held from here on, unless it is closed
	front  []lwwmap.Record // of the seqs from from on; the zero record: none is held
	tail   []lwwmap.Record // of the last seqs, behind what is in the file
	bytes  int             // of front
	behind int             // bytes of tail
	gone   map[uint64]bool // seqs in the file whose records are not held any more
	idle   int             // records added since somebody asked
	closed bool            // speaks of nothing from to on
}

// Bounds of backlog, for each registry.
const (
	backlogBytes = 32 << 20
	backlogIdle  = 256 << 10 // records
	backlogGap   = 64        // seqs nobody wrote between two
	slotBytes    = 8
)

// reset makes it speak of nothing.
func (b *backlog) reset() {
	b.begin(0)
	b.actor = 0
}

// begin makes it speak of the seqs from one on, of which none is held.
func (b *backlog) begin(seq uint64) {
	b.spill.drop()
	b.from, b.to, b.front, b.tail, b.bytes, b.behind, b.gone, b.closed = seq, seq, nil, nil, 0, 0, nil, false
}

// asked notes that the dots of an actor are read from seq on, in ascending order.
func (b *backlog) asked(a crdt.Actor, seq uint64) {
	b.idle = 0
	switch {
	case a != b.actor || b.closed && seq >= b.to:
		b.reset()
	case b.to == 0:
	case seq >= b.to:
		b.begin(b.to)
	}
	for b.from < seq && b.from < b.to && b.advance() {
		n := min(seq-b.from, uint64(len(b.front)))
		for i := range n {
			b.bytes -= slot(b.front[i])
			b.front[i] = lwwmap.Record{} // for the garbage collector
		}
		b.front, b.from = b.front[n:], b.from+n
	}
}

// advance makes sure that front is not empty.
func (b *backlog) advance() bool { return len(b.front) > 0 || b.load() }

// load adds to front what follows it.
func (b *backlog) load() bool {
	if b.spill.isEmpty() {
		b.front, b.bytes = append(b.front, b.tail...), b.bytes+b.behind
		b.tail, b.behind = nil, 0
		return len(b.front) > 0
	}
	if b.bytes > b.limit {
		return false
	}
	recs, err := b.spill.next()
	if err != nil {
		b.reset()
		return false
	}
	seq := b.from + uint64(len(b.front))
	for _, rec := range recs {
		if b.gone[seq] {
			delete(b.gone, seq)
			rec = lwwmap.Record{}
		}
		b.front = append(b.front, rec)
		b.bytes += slot(rec)
		seq++
	}
	return true
}

// slot is what a record takes here, in bytes.
func slot(r lwwmap.Record) int {
	if r.IsZero() {
		return slotBytes
	}
	return slotBytes + r.Size()
}

// add notes a record that is held from now on.
func (b *backlog) add(rec lwwmap.Record) {
	dot := rec.Dot()
	if b.to == 0 || dot.Actor != b.actor || dot.Seq < b.from || b.closed && dot.Seq >= b.to {
		return
	}
	if b.idle++; dot.Seq < b.to || dot.Seq-b.to > backlogGap || b.idle > backlogIdle { // a forged dot, or nobody asks
		b.reset()
		return
	}
	for ; b.to < dot.Seq; b.to++ {
		b.push(lwwmap.Record{})
	}
	b.push(rec)
	b.to++
}

// push adds the next seq's record.
func (b *backlog) push(rec lwwmap.Record) {
	size := slot(rec)
	if b.spill.isEmpty() && len(b.tail) == 0 && b.bytes+size <= b.limit {
		b.front, b.bytes = append(b.front, rec), b.bytes+size
		return
	}
	b.tail, b.behind = append(b.tail, rec), b.behind+size
	if b.behind < b.limit/chunkPart {
		return
	}
	if err := b.spill.add(b.tail); err != nil {
		b.closed = true
		return
	}
	clear(b.tail)
	b.tail, b.behind = b.tail[:0], 0
}

// chunkPart is which part of what is in memory goes to the file at once.
const chunkPart = 64

// remove notes that a record is not held any more.
func (b *backlog) remove(rec lwwmap.Record) {
	dot := rec.Dot()
	if dot.Actor != b.actor || dot.Seq < b.from || dot.Seq >= b.to {
		return
	}
	at, behind := dot.Seq-b.from, b.to-dot.Seq
	switch n := uint64(len(b.tail)); {
	case at < uint64(len(b.front)):
		b.bytes -= rec.Size()
		b.front[at] = lwwmap.Record{}
	case behind <= n:
		b.behind -= rec.Size()
		b.tail[n-behind] = lwwmap.Record{}
	default:
		if b.gone == nil {
			b.gone = map[uint64]bool{}
		}
		b.gone[dot.Seq] = true
	}
}

// walk calls fn for the records held of the seqs r, as far as it speaks of them.
// It returns the first seq that it does not speak of, or false once fn has.
func (b *backlog) walk(r crdt.Range, fn func(lwwmap.Record) bool) (next uint64, more bool) {
	for seq := r.Lo; seq <= r.Hi; seq++ {
		if seq < b.from || b.to == 0 || seq >= b.to && b.closed {
			return seq, true
		}
		if seq >= b.to {
			break
		}
		at := seq - b.from
		if at >= uint64(len(b.front)) && !b.load() {
			return seq, true
		}
		if rec := b.front[at]; !rec.IsZero() && !fn(rec) {
			return seq, false
		}
	}
	return r.Hi + 1, true
}

// Dots implements [lwwmap.View]. The owner's lock is held alone.
func (t *table) Dots(span crdt.Span, fn func(lwwmap.Record) bool) {
	if len(span.Ranges) == 0 {
		return
	}
	b := &t.backlog
	b.asked(span.Actor, span.Ranges[0].Lo)
	if b.to == 0 {
		t.beginBacklog(span.Actor, span.Ranges.Max()+1)
	}
	for _, r := range span.Ranges {
		if r.Lo < b.from {
			below := crdt.Range{Lo: r.Lo, Hi: min(r.Hi, b.from-1)}
			if !t.dotRange(span.Actor, below, fn) {
				return
			}
			r.Lo = below.Hi + 1
		}
		next, more := b.walk(r, fn)
		if !more || next <= r.Hi && !t.dotRange(span.Actor, crdt.Range{Lo: next, Hi: r.Hi}, fn) {
			return
		}
	}
}

// beginBacklog begins to keep what an actor writes from seq on, unless something is
// there already.
func (t *table) beginBacklog(a crdt.Actor, seq uint64) {
	free := t.dotRange(a, crdt.Range{Lo: seq, Hi: math.MaxUint64}, func(lwwmap.Record) bool { return false })
	if free && t.Err() == nil && seq > 0 {
		t.backlog.begin(seq)
		t.backlog.actor = a
	}
}
