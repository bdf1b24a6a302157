package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
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
	// blocks are ascending by actor, and none is empty: the canonical form itself. Sorted slices rather than a
	// map, because everything but Add walks all actors in order.
	blocks []*block
	mark   *byte // of the blocks that only this context has; nil: none
	actors int
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
	c := &Context{mark: new(byte), actors: len(spans)}
	for part := range slices.Chunk(spans, fullBlock) {
		c.blocks = append(c.blocks, &block{cloneSpans(part), c.mark})
	}
	return c, nil
}

// Has reports whether d is in c.
func (c *Context) Has(d Dot) bool { return c.Of(d.Actor).Has(d.Seq) }

// Of returns the numbers of a that are in c. Do not modify them; they are valid until c changes.
func (c *Context) Of(a Actor) Ranges {
	if p, ok := c.find(a); ok {
		return c.blocks[p.block].spans[p.span].Ranges
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
	p, ok := c.find(d.Actor)
	if !ok {
		c.insert(p, Span{d.Actor, Ranges{{d.Seq, d.Seq}}})
		return
	}
	s := &c.own(p.block).spans[p.span]
	s.Ranges = s.Ranges.Add(d.Seq, d.Seq)
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
	p, ok := c.find(a)
	if !ok {
		c.insert(p, Span{a, r.Clone()})
		return
	}
	if mine := c.blocks[p.block].spans[p.span].Ranges; !mine.covers(r) {
		c.own(p.block).spans[p.span].Ranges = mine.Union(r)
	}
}

// Join adds all dots of o to c. It does not change o and shares nothing with it.
func (c *Context) Join(o *Context) {
	if c == o {
		return
	}
	for s := range o.All() {
		c.AddRanges(s.Actor, s.Ranges)
	}
}

// Clone returns a copy that changes on its own from here on. It copies a word for each 32 to 64 actors; the first change to those,
// in either, copies them. A context that was not changed since it was cloned, or is a clone that was not changed, may
// be cloned by several goroutines at a time.
func (c *Context) Clone() *Context {
	if c.mark != nil {
		c.mark = nil
	}
	return &Context{blocks: slices.Clone(c.blocks), actors: c.actors}
}

// All yields all dots in canonical order: actors ascending, ranges as in Ranges. What it yields must not be modified and is valid
// until c changes; that of a clone that is never changed stays valid.
func (c *Context) All() iter.Seq[Span] { return c.From(0) }

// From yields what All yields of the actors from a on.
func (c *Context) From(a Actor) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		at, _ := c.find(a)
		for ; at.block < len(c.blocks); at = (place{at.block + 1, 0}) {
			for _, s := range c.blocks[at.block].spans[at.span:] {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// Spans returns what All yields. It shares nothing with c.
func (c *Context) Spans() []Span { return cloneSpans(slices.Collect(c.All())) }

// Sub returns the dots that c has and o lacks, in canonical order. The result shares nothing with either.
func (c *Context) Sub(o *Context) []Span {
	var out []Span
	theirs := o.cursor()
	for s := range c.All() {
		if left := s.Ranges.Sub(theirs.of(s.Actor)); len(left) > 0 {
			out = append(out, Span{s.Actor, left})
		}
	}
	return out
}

// Covers reports whether c has every dot of o.
func (c *Context) Covers(o *Context) bool {
	mine := c.cursor()
	for s := range o.All() {
		if !mine.of(s.Actor).covers(s.Ranges) {
			return false
		}
	}
	return true
}

// Equal reports whether c and o have the same dots.
func (c *Context) Equal(o *Context) bool {
	if c.actors != o.actors {
		return false
	}
	theirs := o.cursor()
	for s := range c.All() {
		if !slices.Equal(s.Ranges, theirs.of(s.Actor)) {
			return false
		}
	}
	return true
}

// Len returns the number of actors.
func (c *Context) Len() int { return c.actors }

// Count returns the number of dots, at most math.MaxUint64.
func (c *Context) Count() uint64 {
	var n uint64
	for s := range c.All() {
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
	for s := range c.All() {
		n += len(s.Ranges)
	}
	return n
}

// Hash returns the first 16 bytes of the SHA-256 of the canonical form: for each actor its 8 bytes, the number of
// its ranges and the bounds of each, all as 8 bytes, big endian. Equal contexts have equal hashes.
func (c *Context) Hash() [16]byte {
	h := sha256.New()
	var buf []byte
	for s := range c.All() {
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
	parts := make([]string, 0, c.actors)
	for s := range c.All() {
		parts = append(parts, s.Actor.String()+":"+s.Ranges.String())
	}
	return "{" + strings.Join(parts, " ") + "}"
}
