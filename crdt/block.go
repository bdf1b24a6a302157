package crdt

import "slices"

// A context may have very many actors, most of which write no more, and each snapshot of a map has one. So its spans are in blocks
// that copies share, and the first change to a block behind a Clone copies that block.

// fullBlock is how many spans a block has at most, at least 2. Variable for tests.
var fullBlock = 64

// block is some spans, ascending by actor, none of them without ranges.
type block struct {
	spans []Span
	mark  *byte // of the context that may change it
}

// last returns the highest actor.
func (b *block) last() Actor { return b.spans[len(b.spans)-1].Actor }

// place is where a span is, or belongs, in a context.
type place struct{ block, span int }

// find returns the place of a, and whether it is there. Written out because it is on the path of each write.
func (c *Context) find(a Actor) (place, bool) {
	lo, hi := 0, len(c.blocks)-1 // what lies above all belongs in the last block
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if c.blocks[mid].last() < a {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if hi < 0 {
		return place{}, false
	}
	b, spans := lo, c.blocks[lo].spans
	lo, hi = 0, len(spans)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if spans[mid].Actor < a {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return place{b, lo}, lo < len(spans) && spans[lo].Actor == a
}

// own returns a block that no other context shares.
func (c *Context) own(i int) *block {
	if c.mark == nil {
		c.mark = new(byte)
	}
	b := c.blocks[i]
	if b.mark != c.mark {
		b = &block{cloneSpans(b.spans), c.mark}
		c.blocks[i] = b
	}
	return b
}

// insert puts an actor that is not there in its place; the ranges become the context's own.
func (c *Context) insert(p place, s Span) {
	c.actors++
	if len(c.blocks) == 0 {
		c.blocks = []*block{{mark: c.mark}}
	}
	b := c.own(p.block)
	if len(b.spans) == fullBlock {
		b, p = c.split(p)
	}
	b.spans = slices.Insert(b.spans, p.span, s)
}

// split makes two blocks of a full one of c's own, and returns the block and the place where p is then. A block at the end, where
// actors come in order, stays full.
func (c *Context) split(p place) (*block, place) {
	b, half := c.blocks[p.block], fullBlock/2
	if p.block == len(c.blocks)-1 && p.span == fullBlock {
		half = fullBlock
	}
	right := &block{slices.Clone(b.spans[half:]), c.mark}
	c.blocks = slices.Insert(c.blocks, p.block+1, right)
	clear(b.spans[half:])
	b.spans = b.spans[:half]
	if p.span < half || p.span == half && half < fullBlock {
		return b, p
	}
	return right, place{p.block + 1, p.span - half}
}

// cloneSpans copies spans and all their ranges, with two allocations. Each part ends at its capacity, so
// that appending to one does not run into the next.
func cloneSpans(spans []Span) []Span {
	total := 0
	for _, s := range spans {
		total += len(s.Ranges)
	}
	out, all := make([]Span, len(spans)), make(Ranges, 0, total)
	for i, s := range spans {
		from := len(all)
		all = append(all, s.Ranges...)
		out[i] = Span{s.Actor, all[from:len(all):len(all)]}
	}
	return out
}

// cursor finds actors in a context, in ascending order.
type cursor struct {
	blocks []*block
	at     int
}

func (c *Context) cursor() cursor { return cursor{blocks: c.blocks} }

// of returns the ranges of a, none if it is not there. Each call asks for a higher actor than the one before.
func (u *cursor) of(a Actor) Ranges {
	for ; len(u.blocks) > 0 && u.blocks[0].last() < a; u.at = 0 {
		u.blocks = u.blocks[1:]
	}
	if len(u.blocks) == 0 {
		return nil
	}
	for spans := u.blocks[0].spans; ; u.at++ {
		switch s := spans[u.at]; {
		case s.Actor == a:
			return s.Ranges
		case s.Actor > a:
			return nil
		}
	}
}
