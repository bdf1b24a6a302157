package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Span is dots of one actor.
type Span struct {
	Actor  Actor
	Ranges Ranges
}

// Context is a set of dots: the writes that a replica has seen. The zero value is the empty set and ready to use.
// A Context is not safe for concurrent use while one of the users changes it. Do not copy it; use Clone.
type Context struct {
	// spans is ascending by actor, no ranges are empty: the canonical form itself. A sorted slice rather than a
	// map, because everything but Add walks all actors in order.
	spans []Span
}

// FromSpans returns the context with the given dots. It is meant for what comes from outside: the error says
// which rule of the canonical form is broken (actors strictly ascending, ranges not empty, ascending, neither
// overlapping nor touching, numbers from 1). The context shares nothing with spans.
func FromSpans(spans []Span) (*Context, error) {
	for i, s := range spans {
		if i > 0 && s.Actor <= spans[i-1].Actor {
			return nil, fmt.Errorf("crdt: context: actor %s after %s, want strictly ascending order", s.Actor, spans[i-1].Actor)
		}
		if len(s.Ranges) == 0 {
			return nil, fmt.Errorf("crdt: context: actor %s has no ranges", s.Actor)
		}
		if err := s.Ranges.validate(); err != nil {
			return nil, fmt.Errorf("crdt: context: actor %s: %w", s.Actor, err)
		}
	}
	return &Context{spans: cloneSpans(spans)}, nil
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

// find returns where a is, or belongs, in c.spans. Written out because it is on the path of each write.
func (c *Context) find(a Actor) (int, bool) {
	lo, hi := 0, len(c.spans)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if c.spans[mid].Actor < a {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(c.spans) && c.spans[lo].Actor == a
}

// Has reports whether d is in c.
func (c *Context) Has(d Dot) bool { return c.Of(d.Actor).Has(d.Seq) }

// Of returns the numbers of a that are in c. Do not modify them; they are valid until c changes.
func (c *Context) Of(a Actor) Ranges {
	if i, ok := c.find(a); ok {
		return c.spans[i].Ranges
	}
	return nil
}

// Max returns the highest number of a in c, 0 if there is none.
func (c *Context) Max(a Actor) uint64 { return c.Of(a).Max() }

// Next returns the number after the highest one of a in c: the one that its next write takes. It is 0, which is no
// number, if the numbers of a are used up; only a forged context gets there, and a new actor is the way out.
func (c *Context) Next(a Actor) uint64 { return c.Max(a) + 1 }

// Add adds one dot. A dot with number 0 is no dot and adds nothing.
func (c *Context) Add(d Dot) {
	if d.Seq == 0 {
		return
	}
	i, ok := c.find(d.Actor)
	if !ok {
		c.spans = slices.Insert(c.spans, i, Span{Actor: d.Actor})
	}
	c.spans[i].Ranges = c.spans[i].Ranges.Add(d.Seq, d.Seq)
}

// AddRanges adds the dots of a with the numbers r. It shares nothing with r.
func (c *Context) AddRanges(a Actor, r Ranges) {
	if !r.Valid() { // normalise, so that a caller's slip cannot break the form of the context
		loose := r
		r = nil
		for _, x := range loose {
			r = r.Add(x.Lo, x.Hi)
		}
	}
	if len(r) == 0 {
		return
	}
	i, ok := c.find(a)
	if !ok {
		c.spans = slices.Insert(c.spans, i, Span{a, r.Clone()})
		return
	}
	c.spans[i].Ranges = c.spans[i].Ranges.join(r)
}

// join returns the union and changes neither; it is r itself if o adds nothing.
func (r Ranges) join(o Ranges) Ranges {
	if r.covers(o) {
		return r
	}
	return r.Union(o)
}

// Join adds all dots of o to c. It does not change o and shares nothing with it.
func (c *Context) Join(o *Context) {
	fresh := c.countMissing(o)
	if fresh == 0 {
		for i, s := 0, 0; s < len(o.spans); i++ {
			if c.spans[i].Actor == o.spans[s].Actor {
				c.spans[i].Ranges = c.spans[i].Ranges.join(o.spans[s].Ranges)
				s++
			}
		}
		return
	}
	mine, theirs := c.spans, o.spans
	out := make([]Span, 0, len(mine)+fresh)
	for len(mine) > 0 || len(theirs) > 0 {
		switch {
		case len(theirs) == 0 || len(mine) > 0 && mine[0].Actor < theirs[0].Actor:
			out, mine = append(out, mine[0]), mine[1:]
		case len(mine) == 0 || theirs[0].Actor < mine[0].Actor:
			out, theirs = append(out, Span{theirs[0].Actor, theirs[0].Ranges.Clone()}), theirs[1:]
		default:
			out = append(out, Span{mine[0].Actor, mine[0].Ranges.join(theirs[0].Ranges)})
			mine, theirs = mine[1:], theirs[1:]
		}
	}
	c.spans = out
}

// countMissing returns how many actors of o are not in c.
func (c *Context) countMissing(o *Context) int {
	n, i := 0, 0
	for _, s := range o.spans {
		for i < len(c.spans) && c.spans[i].Actor < s.Actor {
			i++
		}
		if i == len(c.spans) || c.spans[i].Actor != s.Actor {
			n++
		}
	}
	return n
}

// Clone returns a copy that shares nothing with c.
func (c *Context) Clone() *Context { return &Context{spans: cloneSpans(c.spans)} }

// Spans returns all dots in canonical order: actors ascending, ranges as in Ranges. It shares nothing with c.
func (c *Context) Spans() []Span { return cloneSpans(c.spans) }

// Sub returns the dots that c has and o lacks, in canonical order. The result shares nothing with either.
func (c *Context) Sub(o *Context) []Span {
	var out []Span
	theirs := o.spans
	for _, s := range c.spans {
		for len(theirs) > 0 && theirs[0].Actor < s.Actor {
			theirs = theirs[1:]
		}
		left := s.Ranges
		if len(theirs) > 0 && theirs[0].Actor == s.Actor {
			left = left.Sub(theirs[0].Ranges)
		} else {
			left = left.Clone()
		}
		if len(left) > 0 {
			out = append(out, Span{s.Actor, left})
		}
	}
	return out
}

// Covers reports whether c has every dot of o.
func (c *Context) Covers(o *Context) bool {
	mine := c.spans
	for _, s := range o.spans {
		for len(mine) > 0 && mine[0].Actor < s.Actor {
			mine = mine[1:]
		}
		if len(mine) == 0 || mine[0].Actor != s.Actor || !mine[0].Ranges.covers(s.Ranges) {
			return false
		}
	}
	return true
}

// Equal reports whether c and o have the same dots.
func (c *Context) Equal(o *Context) bool {
	return slices.EqualFunc(c.spans, o.spans, func(a, b Span) bool {
		return a.Actor == b.Actor && slices.Equal(a.Ranges, b.Ranges)
	})
}

// Len returns the number of actors.
func (c *Context) Len() int { return len(c.spans) }

// Count returns the number of dots, at most math.MaxUint64.
func (c *Context) Count() uint64 {
	var n uint64
	for _, s := range c.spans {
		k := s.Ranges.Count()
		if k > math.MaxUint64-n {
			return math.MaxUint64
		}
		n += k
	}
	return n
}

// Fragments returns the number of ranges. It equals Len if nothing is missing in between.
func (c *Context) Fragments() int {
	n := 0
	for _, s := range c.spans {
		n += len(s.Ranges)
	}
	return n
}

// Hash returns the first 16 bytes of the SHA-256 of the canonical form: for each actor its 8 bytes, the number of
// its ranges and the bounds of each, all as 8 bytes, big endian. Equal contexts have equal hashes.
func (c *Context) Hash() [16]byte {
	h := sha256.New()
	var buf []byte
	for _, s := range c.spans {
		buf = binary.BigEndian.AppendUint64(buf[:0], uint64(s.Actor))
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(s.Ranges)))
		for _, x := range s.Ranges {
			buf = binary.BigEndian.AppendUint64(buf, x.Lo)
			buf = binary.BigEndian.AppendUint64(buf, x.Hi)
		}
		h.Write(buf)
	}
	return [16]byte(h.Sum(nil)[:16])
}

// String returns the context for people, for example "{00000000000000a1:1-41,43 00000000000000b2:1-7}".
func (c *Context) String() string {
	parts := make([]string, len(c.spans))
	for i, s := range c.spans {
		parts[i] = s.Actor.String() + ":" + s.Ranges.String()
	}
	return "{" + strings.Join(parts, " ") + "}"
}
