package crdt_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The second implementation of a context: the set of its dots.
type dotSet map[crdt.Dot]bool

const actors = 4

func (s dotSet) of(a crdt.Actor) numbers {
	n := numbers{}
	for d := range s {
		if d.Actor == a {
			n[d.Seq] = true
		}
	}
	return n
}

func (s dotSet) spans() []crdt.Span {
	out := []crdt.Span{}
	for a := range crdt.Actor(actors) {
		if r := s.of(a).ranges(1); len(r) > 0 {
			out = append(out, crdt.Span{Actor: a, Ranges: r})
		}
	}
	return out
}

func (s dotSet) minus(o dotSet) dotSet {
	out := dotSet{}
	for d := range s {
		if !o[d] {
			out[d] = true
		}
	}
	return out
}

func (s dotSet) add(o dotSet) {
	for d := range o {
		s[d] = true
	}
}

// world is a context and its shadow.
type world struct {
	context *crdt.Context
	shadow  dotSet
}

func (w world) check(t require.TestingT) {
	c, s := w.context, w.shadow
	require.Equal(t, s.spans(), c.Spans())
	require.EqualValues(t, len(s), c.Count())
	require.Equal(t, len(s.spans()), c.Len())
	fragments := 0
	for a := range crdt.Actor(actors) {
		of := s.of(a).ranges(1)
		fragments += len(of)
		require.Equal(t, of, c.Of(a))
		require.Equal(t, of.Max(), c.Max(a))
		require.Equal(t, of.Max()+1, c.Next(a))
		for seq := range uint64(span + 2) {
			d := crdt.Dot{Actor: a, Seq: seq}
			require.Equal(t, s[d], c.Has(d), "%v", d)
		}
	}
	require.Equal(t, fragments, c.Fragments())
	for a := range crdt.Actor(actors + 1) {
		from := slices.DeleteFunc(c.Spans(), func(s crdt.Span) bool { return s.Actor < a })
		require.ElementsMatch(t, from, slices.Collect(c.From(a)))
	}
	back, err := crdt.FromSpans(c.Spans())
	require.NoError(t, err)
	require.True(t, back.Equal(c))
	require.Equal(t, c.Hash(), back.Hash())
}

func smallDots() *rapid.Generator[crdt.Dot] {
	return rapid.Custom(func(t *rapid.T) crdt.Dot {
		return crdt.Dot{
			Actor: crdt.Actor(rapid.IntRange(0, actors-1).Draw(t, "actor")),
			Seq:   rapid.Uint64Range(1, span).Draw(t, "seq"),
		}
	})
}

func TestContextsAgainstSetsOfDots(t *testing.T) { againstSets(t) }

func TestContextsInSmallBlocksAgainstSetsOfDots(t *testing.T) {
	for n := range 3 {
		crdt.SetFullBlock(t, 2+n)
		againstSets(t)
	}
}

func againstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		worlds := make([]world, 3)
		for i := range worlds {
			worlds[i] = world{new(crdt.Context), dotSet{}}
		}
		pick := func(t *rapid.T, label string) *world {
			return &worlds[rapid.IntRange(0, len(worlds)-1).Draw(t, label)]
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				w, d := pick(t, "world"), smallDots().Draw(t, "dot")
				w.context.Add(d)
				w.shadow[d] = true
			},
			"next": func(t *rapid.T) {
				w, a := pick(t, "world"), smallDots().Draw(t, "of").Actor
				if d := (crdt.Dot{Actor: a, Seq: w.context.Next(a)}); d.Seq <= span {
					w.context.Add(d)
					w.shadow[d] = true
				}
			},
			"add ranges": func(t *rapid.T) {
				w, a, n := pick(t, "world"), smallDots().Draw(t, "of").Actor, numbersFrom(1).Draw(t, "numbers")
				w.context.AddRanges(a, n.ranges(1))
				for seq := range n {
					w.shadow[crdt.Dot{Actor: a, Seq: seq}] = true
				}
			},
			"join": func(t *rapid.T) {
				w, o := pick(t, "world"), pick(t, "other")
				w.context.Join(o.context)
				w.shadow.add(o.shadow)
			},
			"clone": func(t *rapid.T) {
				w, o := pick(t, "world"), pick(t, "other")
				*w = world{o.context.Clone(), o.shadow.minus(nil)}
			},
			"from what is missing": func(t *rapid.T) {
				w, o := pick(t, "world"), pick(t, "other")
				c, err := crdt.FromSpans(o.context.Sub(w.context))
				require.NoError(t, err)
				*w = world{c, o.shadow.minus(w.shadow)}
			},
			"": func(t *rapid.T) {
				for _, w := range worlds {
					w.check(t)
				}
				a, b := worlds[0], worlds[1]
				missing := a.context.Sub(b.context)
				require.ElementsMatch(t, a.shadow.minus(b.shadow).spans(), missing)
				require.Equal(t, len(missing) == 0, b.context.Covers(a.context))
				same := len(missing) == 0 && len(a.shadow) == len(b.shadow)
				require.Equal(t, same, a.context.Equal(b.context))
				require.Equal(t, same, a.context.Hash() == b.context.Hash())
			},
		})
	})
}

func TestZeroContext(t *testing.T) {
	var c, o crdt.Context
	require.False(t, c.Has(crdt.Dot{Actor: 1, Seq: 1}))
	require.EqualValues(t, 1, c.Next(7))
	require.Zero(t, c.Max(7))
	require.Empty(t, c.Spans())
	require.True(t, c.Equal(&o))
	require.True(t, c.Covers(&o))
	require.Equal(t, "{}", c.String())
	c.Join(&o)
	c.Add(crdt.Dot{Actor: 1})
	c.AddRanges(1, nil)
	require.Zero(t, c.Len(), "number 0 and no numbers add no actor")
	c.Add(crdt.Dot{Actor: 1, Seq: 1})
	require.False(t, o.Covers(&c))
	require.True(t, c.Covers(&o))
}

// The hash goes over the wire, so its value is part of the format.
func TestHashIsFixed(t *testing.T) {
	var c crdt.Context
	hash := c.Hash()
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb924", hex.EncodeToString(hash[:]), "SHA-256 of nothing")
	c.AddRanges(0xa1, crdt.Ranges{{1, 41}, {43, 43}})
	c.AddRanges(0xb2, crdt.Ranges{{1, 7}})
	hash = c.Hash()
	require.Equal(t, "895a45e5ca61d894a84999dedd4d550f", hex.EncodeToString(hash[:]))
	require.Equal(t, "{00000000000000a1:1-41,43 00000000000000b2:1-7}", c.String())
}

func TestFromSpansRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []crdt.Span
		want  string
	}{
		{"actors out of order", []crdt.Span{{2, crdt.Ranges{{1, 1}}}, {1, crdt.Ranges{{1, 1}}}},
			"actor 0000000000000001 after 0000000000000002, want strictly ascending order"},
		{"an actor twice", []crdt.Span{{2, crdt.Ranges{{1, 1}}}, {2, crdt.Ranges{{3, 3}}}},
			"actor 0000000000000002 after 0000000000000002, want strictly ascending order"},
		{"no ranges", []crdt.Span{{2, nil}}, "actor 0000000000000002 has no ranges"},
		{"number 0", []crdt.Span{{2, crdt.Ranges{{0, 1}}}}, "actor 0000000000000002: range starts at 0, numbers start at 1"},
		{"backwards", []crdt.Span{{2, crdt.Ranges{{5, 4}}}}, "range 5-4 ends before it starts"},
		{"touching", []crdt.Span{{2, crdt.Ranges{{1, 4}, {5, 6}}}}, "range 5-6 touches the one before it, 1-4; they must be one range"},
		{"overlapping", []crdt.Span{{2, crdt.Ranges{{1, 4}, {4, 6}}}}, "range 4-6 overlaps or precedes the one before it, 1-4"},
		{"descending", []crdt.Span{{2, crdt.Ranges{{5, 6}, {1, 2}}}}, "range 1-2 overlaps or precedes the one before it, 5-6"},
		{"past the highest number", []crdt.Span{{2, crdt.Ranges{{5, math.MaxUint64}, {0, 0}}}}, "range starts at 0"},
	} {
		got, err := crdt.FromSpans(c.spans)
		require.ErrorContains(t, err, c.want, c.name)
		require.Nil(t, got)
	}
}

func TestAddRangesNormalisesASlip(t *testing.T) {
	var c crdt.Context
	c.AddRanges(1, crdt.Ranges{{5, 6}, {0, 2}, {9, 8}, {3, 3}})
	require.Equal(t, []crdt.Span{{1, crdt.Ranges{{1, 3}, {5, 6}}}}, c.Spans())
	c.AddRanges(2, crdt.Ranges{{9, 8}})
	require.Equal(t, 1, c.Len())
}

func TestNumbersUsedUp(t *testing.T) {
	c, err := crdt.FromSpans([]crdt.Span{{1, crdt.Ranges{{1, math.MaxUint64}}}, {2, crdt.Ranges{{7, 7}}}})
	require.NoError(t, err)
	require.Zero(t, c.Next(1))
	require.EqualValues(t, uint64(math.MaxUint64), c.Count(), "the count stops at the highest number")
	c.Add(crdt.Dot{Actor: 1, Seq: c.Next(1)})
	require.Equal(t, "{0000000000000001:1-18446744073709551615 0000000000000002:7}", c.String())
}

// Everything that hands out or takes in ranges, followed by every change that could show through.
func TestNothingIsShared(t *testing.T) {
	spans := []crdt.Span{{1, crdt.Ranges{{1, 3}, {5, 5}}}, {2, crdt.Ranges{{1, 1}}}}
	want := "{0000000000000001:1-3,5 0000000000000002:1}"
	disturb := func(c *crdt.Context) {
		for a := range crdt.Actor(4) {
			c.Add(crdt.Dot{Actor: a, Seq: 4})
			c.Add(crdt.Dot{Actor: a, Seq: 6})
			c.Add(crdt.Dot{Actor: a, Seq: 9})
		}
	}
	original, err := crdt.FromSpans(spans)
	require.NoError(t, err)

	fresh := new(crdt.Context)
	fresh.Join(original)
	partly, err := crdt.FromSpans(spans[:1])
	require.NoError(t, err)
	partly.Join(original)
	added := new(crdt.Context)
	for _, s := range spans {
		added.AddRanges(s.Actor, s.Ranges)
	}
	missing, err := crdt.FromSpans(original.Sub(new(crdt.Context)))
	require.NoError(t, err)
	copies := []*crdt.Context{original.Clone(), fresh, partly, added, missing}
	for i, c := range copies {
		require.Equal(t, want, c.String(), i)
		disturb(c)
	}
	require.Equal(t, want, original.String())
	require.Equal(t, crdt.Ranges{{1, 3}, {5, 5}}, spans[0].Ranges)

	for _, handed := range [][]crdt.Span{original.Spans(), original.Sub(new(crdt.Context))} {
		for i := range handed {
			handed[i].Ranges = handed[i].Ranges.Add(4, 4)
			handed[i].Ranges = handed[i].Ranges.Add(6, 6)
		}
	}
	require.Equal(t, want, original.String())

	clone := original.Clone()
	disturb(original)
	require.Equal(t, want, clone.String())
}

// Clones share what neither has changed, so an unchanged one may be read, and cloned, while the original goes on.
func TestACloneIsReadWhileTheOriginalChanges(t *testing.T) {
	c, _ := filled(1000)
	want := c.Hash()
	for range 20 {
		frozen := c.Clone()
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				o := frozen.Clone()
				require.Equal(t, want, o.Hash())
				o.Add(crdt.Dot{Actor: 5, Seq: 1 << 40})
				require.Len(t, o.Sub(frozen), 1)
				require.True(t, o.Covers(frozen))
			})
		}
		for s := range frozen.All() {
			c.Add(crdt.Dot{Actor: s.Actor, Seq: s.Ranges.Max() + 1})
			c.Add(crdt.Dot{Actor: s.Actor + 1, Seq: 1})
		}
		readers.Wait()
		require.Equal(t, want, frozen.Hash())
		want = c.Hash()
	}
	require.True(t, c.Len() > 1000)
}

// filled returns a context of n actors, and the middle one of them.
func filled(n int) (*crdt.Context, crdt.Actor) {
	c := new(crdt.Context)
	for i := range n {
		c.AddRanges(crdt.Actor(i)*0x9e3779b97f4a7c15, crdt.Ranges{{1, 100}})
	}
	return c, crdt.Actor(n/2) * 0x9e3779b97f4a7c15
}

func TestAddingTheNextDotDoesNotAllocate(t *testing.T) {
	c, a := filled(1000)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		c.Add(crdt.Dot{Actor: a, Seq: c.Next(a)})
	}))
}

func TestJoinOfWhatIsKnownDoesNotAllocate(t *testing.T) {
	c, _ := filled(1000)
	o := c.Clone()
	require.Zero(t, testing.AllocsPerRun(10, func() { c.Join(o) }))
}

func BenchmarkAddNext(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("actors=%d", n), func(b *testing.B) {
			c, a := filled(n)
			seq := c.Max(a)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				c.Add(crdt.Dot{Actor: a, Seq: seq})
			}
		})
	}
}

func BenchmarkHas(b *testing.B) {
	c, a := filled(1000)
	b.ReportAllocs()
	for b.Loop() {
		c.Has(crdt.Dot{Actor: a, Seq: 50})
	}
}

func BenchmarkWholeContext(b *testing.B) {
	c, a := filled(1000)
	o := c.Clone()
	o.Add(crdt.Dot{Actor: a, Seq: 102})
	for name, do := range map[string]func(){
		"Sub":   func() { o.Sub(c) },
		"Join":  func() { c.Clone().Join(o) },
		"Clone": func() { c.Clone() },
		"Hash":  func() { c.Hash() },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}
