package lwwmap

import (
	"math/bits"

	"github.com/tidwall/btree"
)

// dotIndex finds the records that one actor's writes are still held under.
// Seqs are dense, so it keeps chunks of 64 of them: 10 bytes a record where a
// tree of records would take 32, and the newest chunk is all that a run of
// writes touches. Copying is lazy, chunk by chunk.
//
// A misbehaving writer may put records of several keys under one dot. All are
// found: the first in the order of kinds and keys in its chunk, the others beside.
type dotIndex struct {
	gen    uint64 // who may change it, and the chunks of this generation
	chunks btree.Map[uint64, *dotChunk]
	others *btree.BTreeG[Record] // by seq, kind and key; nil: none
	count  int
	tail   *dotChunk // the one that was last made or copied; a run of writes asks for no other
	tailAt uint64
}

func beforeByDot(a, b Record) bool {
	if x, y := a.seq(), b.seq(); x != y {
		return x < y
	}
	return beforeInIndex(a, b)
}

const (
	chunkBits  = 6
	fewRecords = 8
)

// dotChunk holds the records of up to 64 seqs, in order; held has a bit for
// each seq that is there.
type dotChunk struct {
	gen  uint64
	held uint64
	recs []Record
}

// place says where in recs the seq's record is, or belongs.
func (c *dotChunk) place(seq uint64) (i int, there bool) {
	bit := uint64(1) << (seq % (1 << chunkBits))
	return bits.OnesCount64(c.held & (bit - 1)), c.held&bit != 0
}

// writable returns the seq's chunk, one that no other index shares.
func (d *dotIndex) writable(seq uint64) *dotChunk {
	if d.tail != nil && d.tailAt == seq>>chunkBits {
		return d.tail
	}
	c, ok := d.chunks.Get(seq >> chunkBits)
	if ok && c.gen == d.gen {
		return c
	}
	if !ok {
		c = new(dotChunk)
	}
	return d.own(seq, c)
}

// own puts a copy of the seq's chunk in its place.
func (d *dotIndex) own(seq uint64, c *dotChunk) *dotChunk {
	mine := &dotChunk{gen: d.gen, held: c.held, recs: append(make([]Record, 0, cap(c.recs)), c.recs...)}
	d.chunks.Set(seq>>chunkBits, mine)
	d.tail, d.tailAt = mine, seq>>chunkBits
	return mine
}

func (d *dotIndex) set(seq uint64, r Record) {
	c := d.writable(seq)
	i, there := c.place(seq)
	d.count++
	if there {
		if beforeByDot(r, c.recs[i]) {
			r, c.recs[i] = c.recs[i], r
		}
		d.setOther(r)
		return
	}
	c.held |= 1 << (seq % (1 << chunkBits))
	if len(c.recs) == cap(c.recs) && len(c.recs) >= fewRecords { // a run of writes fills the chunk
		c.recs = append(make([]Record, 0, 1<<chunkBits), c.recs...)
	}
	c.recs = append(c.recs, Record{})
	copy(c.recs[i+1:], c.recs[i:])
	c.recs[i] = r
}

func (d *dotIndex) setOther(r Record) {
	if d.others == nil {
		d.others = btree.NewBTreeGOptions(beforeByDot, btree.Options{NoLocks: true})
	}
	d.others.Set(r)
}

// nextOther returns the first of the other records under r's dot, the zero
// Record if there is none.
func (d *dotIndex) nextOther(r Record) (next Record) {
	if d.others == nil {
		return next
	}
	d.others.Ascend(r, func(o Record) bool {
		if o.seq() == r.seq() {
			next = o
		}
		return false
	})
	return next
}

// remove takes a record out that set has put there.
func (d *dotIndex) remove(seq uint64, r Record) {
	c, ok := d.chunks.Get(seq >> chunkBits)
	if !ok {
		return
	}
	i, there := c.place(seq)
	if !there {
		return
	}
	if c.recs[i] != r {
		if d.others != nil {
			if _, ok := d.others.Delete(r); ok {
				d.count--
			}
		}
		return
	}
	d.count--
	other := d.nextOther(r)
	if len(c.recs) == 1 && other.IsZero() {
		d.chunks.Delete(seq >> chunkBits)
		d.tail = nil
		return
	}
	if c.gen != d.gen {
		c = d.own(seq, c)
	}
	if !other.IsZero() {
		d.others.Delete(other)
		c.recs[i] = other
		return
	}
	c.held &^= 1 << (seq % (1 << chunkBits))
	c.recs = append(c.recs[:i], c.recs[i+1:]...)
	if len(c.recs) <= cap(c.recs)/4 {
		c.recs = append(make([]Record, 0, cap(c.recs)/2), c.recs...)
	}
}

// ascend calls fn for the records of lo <= seq <= hi until it returns false,
// and says whether it went to the end.
func (d *dotIndex) ascend(lo, hi uint64, fn func(Record) bool) bool {
	more := true
	d.chunks.Ascend(lo>>chunkBits, func(at uint64, c *dotChunk) bool {
		if at > hi>>chunkBits {
			return false
		}
		for _, r := range c.recs {
			seq := r.Dot().Seq
			if seq < lo {
				continue
			}
			if more = seq <= hi && fn(r) && d.ascendOthers(r, fn); !more {
				more = seq > hi // past the range is no wish to stop
				return false
			}
		}
		return true
	})
	return more
}

// ascendOthers calls fn for the other records under r's dot.
func (d *dotIndex) ascendOthers(r Record, fn func(Record) bool) (more bool) {
	if d.others == nil {
		return true
	}
	more = true
	d.others.Ascend(r, func(o Record) bool {
		if o.seq() != r.seq() {
			return false
		}
		more = fn(o)
		return more
	})
	return more
}

// fork returns the index of a later generation; d itself changes no more.
func (d *dotIndex) fork(gen uint64) *dotIndex {
	f := &dotIndex{gen: gen, chunks: *d.chunks.Copy(), count: d.count}
	if d.others != nil {
		f.others = d.others.Copy()
	}
	return f
}
