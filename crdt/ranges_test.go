package crdt_test

import (
	"math"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The second implementation: a set of numbers as a map, and ranges made from it by looking at each number.
type numbers map[uint64]bool

// span is the numbers that the tests draw from. Both ends of what fits in 64 bits are among them, folded
// into one interval by base, so that the map stays small.
const span = 24

// base is where the interval of a test starts: at 1 or so that it ends at the highest number.
func bases() *rapid.Generator[uint64] {
	return rapid.SampledFrom([]uint64{1, math.MaxUint64 - span + 1})
}

func numbersFrom(base uint64) *rapid.Generator[numbers] {
	return rapid.Map(rapid.SliceOfN(rapid.Bool(), span, span), func(in []bool) numbers {
		n := numbers{}
		for i, ok := range in {
			if ok {
				n[base+uint64(i)] = true
			}
		}
		return n
	})
}

func (n numbers) ranges(base uint64) crdt.Ranges {
	var r crdt.Ranges
	for i := range uint64(span) {
		seq := base + i
		switch {
		case !n[seq]:
		case i > 0 && n[seq-1]:
			r[len(r)-1].Hi = seq
		default:
			r = append(r, crdt.Range{Lo: seq, Hi: seq})
		}
	}
	return r
}

func (n numbers) where(keep func(seq uint64) bool) numbers {
	out := numbers{}
	for seq := range n {
		if keep(seq) {
			out[seq] = true
		}
	}
	return out
}

func TestRangesAgainstASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := bases().Draw(t, "base")
		a, b := numbersFrom(base).Draw(t, "a"), numbersFrom(base).Draw(t, "b")
		ra, rb := a.ranges(base), b.ranges(base)
		require.True(t, ra.Valid())

		both := numbers{}
		for seq := range a {
			both[seq] = true
		}
		for seq := range b {
			both[seq] = true
		}
		beforeA, beforeB := ra.Clone(), rb.Clone()
		require.Equal(t, both.ranges(base), ra.Union(rb))
		require.Equal(t, a.where(func(s uint64) bool { return !b[s] }).ranges(base), ra.Sub(rb))
		require.Equal(t, a.where(func(s uint64) bool { return b[s] }).ranges(base), ra.Intersect(rb))
		require.Equal(t, beforeA, ra, "changed its receiver")
		require.Equal(t, beforeB, rb, "changed its argument")

		require.EqualValues(t, len(a), ra.Count())
		var highest uint64
		for i := range uint64(span) {
			require.Equal(t, a[base+i], ra.Has(base+i))
			if a[base+i] {
				highest = base + i
			}
		}
		require.Equal(t, highest, ra.Max())
		require.False(t, ra.Has(0))
		require.False(t, ra.Has(base-1))
	})
}

func TestAddRangeAgainstASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := bases().Draw(t, "base")
		set, r := numbers{}, crdt.Ranges(nil)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				lo := base + rapid.Uint64Range(0, span-1).Draw(t, "lo")
				hi := min(base+span-1-lo, rapid.Uint64Range(0, 6).Draw(t, "more")) + lo
				for seq := lo; seq-lo <= hi-lo; seq++ {
					set[seq] = true
				}
				r = r.Add(lo, hi)
			},
			"": func(t *rapid.T) {
				require.Equal(t, set.ranges(base), r)
			},
		})
	})
}

func TestAddIgnoresWhatIsNoNumber(t *testing.T) {
	require.Empty(t, crdt.Ranges(nil).Add(0, 0))
	require.Empty(t, crdt.Ranges(nil).Add(5, 4))
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 2}}, crdt.Ranges(nil).Add(0, 2))
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}, crdt.Ranges(nil).Add(0, math.MaxUint64))
}

func TestAllNumbers(t *testing.T) {
	all := crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}
	require.True(t, all.Valid())
	require.EqualValues(t, uint64(math.MaxUint64), all.Count())
	require.Empty(t, all.Sub(all))
	require.Equal(t, all, all.Union(all))
	require.Equal(t, all, all.Clone().Add(math.MaxUint64, math.MaxUint64))
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 9}, {Lo: 11, Hi: math.MaxUint64}}, all.Sub(crdt.Ranges{{Lo: 10, Hi: 10}}))
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: math.MaxUint64 - 1}}, all.Sub(crdt.Ranges{{Lo: math.MaxUint64, Hi: math.MaxUint64}}))
}

func TestValid(t *testing.T) {
	for _, c := range []struct {
		name string
		r    crdt.Ranges
		want bool
	}{
		{"empty", nil, true},
		{"one", crdt.Ranges{{1, 1}}, true},
		{"two with a gap of one", crdt.Ranges{{1, 3}, {5, 6}}, true},
		{"zero", crdt.Ranges{{0, 3}}, false},
		{"backwards", crdt.Ranges{{4, 3}}, false},
		{"touching", crdt.Ranges{{1, 3}, {4, 6}}, false},
		{"overlapping", crdt.Ranges{{1, 3}, {3, 6}}, false},
		{"descending", crdt.Ranges{{5, 6}, {1, 3}}, false},
		{"after the highest number", crdt.Ranges{{1, math.MaxUint64}, {7, 8}}, false},
	} {
		require.Equal(t, c.want, c.r.Valid(), c.name)
	}
}

func TestRangesAsText(t *testing.T) {
	require.Equal(t, "none", crdt.Ranges(nil).String())
	require.Equal(t, "1-3,5", crdt.Ranges{{1, 3}, {5, 5}}.String())
}

func TestUnionAndSubShareNothing(t *testing.T) {
	require.Empty(t, crdt.Ranges(nil).Union(nil))
	a, b := crdt.Ranges{{1, 3}}, crdt.Ranges{{5, 6}}
	for _, r := range []crdt.Ranges{a.Union(nil), crdt.Ranges(nil).Union(a), a.Sub(nil), a.Sub(b), a.Intersect(a), a.Clone()} {
		require.Equal(t, a, r)
		r[0].Hi = 99
		require.Equal(t, crdt.Ranges{{1, 3}}, a)
	}
}
