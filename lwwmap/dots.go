package lwwmap

import (
	"math/bits"

	"github.com/tidwall/btree"
)

// dotIndex finds the records that one actor's writes are still held under.
// Seqs are dense, so it keeps chunks of 64 of them: 10 bytes a record where a
// tree of records would take 32, and the newest chunk is all that a run of
// writes touches. Copying is lazy, chunk by chunk.
type dotIndex struct {
	chunks btree.Map[uint64, *dotChunk]
	count  int
}

const chunkBits = 6

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

// writable returns the seq's chunk for a writer of this generation.
func (d *dotIndex) writable(seq, gen uint64) *dotChunk {
	c, ok := d.chunks.Get(seq >> chunkBits)
	if ok && c.gen == gen {
		return c
	}
	if !ok {
		c = new(dotChunk)
	}
	return d.own(seq, c, gen)
}

// own puts a copy of the seq's chunk in its place, for a writer of this
// generation.
func (d *dotIndex) own(seq uint64, c *dotChunk, gen uint64) *dotChunk {
	mine := &dotChunk{gen: gen, held: c.held, recs: append(make([]Record, 0, cap(c.recs)), c.recs...)}
	d.chunks.Set(seq>>chunkBits, mine)
	return mine
}

func (d *dotIndex) set(seq uint64, r Record, gen uint64) {
	c := d.writable(seq, gen)
	i, there := c.place(seq)
	if there {
		c.recs[i] = r
		return
	}
	c.held |= 1 << (seq % (1 << chunkBits))
	c.recs = append(c.recs, Record{})
	copy(c.recs[i+1:], c.recs[i:])
	c.recs[i] = r
	d.count++
}

// remove takes a seq out if it holds r: a misbehaving writer may have put
// another record under the same dot.
func (d *dotIndex) remove(seq uint64, r Record, gen uint64) {
	c, ok := d.chunks.Get(seq >> chunkBits)
	if !ok {
		return
	}
	i, there := c.place(seq)
	if !there || c.recs[i] != r {
		return
	}
	d.count--
	if len(c.recs) == 1 {
		d.chunks.Delete(seq >> chunkBits)
		return
	}
	if c.gen != gen {
		c = d.own(seq, c, gen)
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
			if more = seq <= hi && fn(r); !more {
				more = seq > hi // past the range is no wish to stop
				return false
			}
		}
		return true
	})
	return more
}

func (d *dotIndex) fork() *dotIndex { return &dotIndex{chunks: *d.chunks.Copy(), count: d.count} }
