package crdt

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Range is the numbers from Lo to Hi, both included; 1 <= Lo <= Hi.
type Range struct{ Lo, Hi uint64 }

// Ranges is a set of numbers from 1 up, as ranges in ascending order that neither overlap nor touch. The zero
// value is the empty set. Equal sets are equal slices.
type Ranges []Range

// validate says what makes r not a Ranges.
func (r Ranges) validate() error {
	for i, x := range r {
		switch {
		case x.Lo == 0:
			return errors.New("range starts at 0, numbers start at 1")
		case x.Lo > x.Hi:
			return fmt.Errorf("range %d-%d ends before it starts", x.Lo, x.Hi)
		case i > 0 && x.Lo <= r[i-1].Hi:
			return fmt.Errorf("range %s overlaps or precedes the one before it, %s", x, r[i-1])
		case i > 0 && x.Lo == r[i-1].Hi+1:
			return fmt.Errorf("range %s touches the one before it, %s; they must be one range", x, r[i-1])
		}
	}
	return nil
}

// Valid reports whether r has the form that every method here expects and keeps. Check ranges that come from outside.
func (r Ranges) Valid() bool { return r.validate() == nil }

// Has reports whether seq is in r.
func (r Ranges) Has(seq uint64) bool {
	i := r.search(seq)
	return i < len(r) && r[i].Lo <= seq
}

// search returns the index of the first range that ends at or after seq.
func (r Ranges) search(seq uint64) int {
	if n := len(r); n == 0 || r[n-1].Hi < seq {
		return n // most questions are about the newest numbers
	}
	return sort.Search(len(r), func(i int) bool { return r[i].Hi >= seq })
}

// Add returns r with the numbers from lo to hi. It may change r and reuse its array: use only the result. There
// is no number 0, and nothing to add if lo > hi. At the end of the last range it allocates nothing.
func (r Ranges) Add(lo, hi uint64) Ranges {
	lo = max(lo, 1)
	if lo > hi {
		return r
	}
	if n := len(r); n > 0 && r[n-1].Hi == lo-1 {
		r[n-1].Hi = hi
		return r
	}
	// The ranges from i up to j are those that overlap or touch lo-hi.
	i := r.search(lo - 1)
	j := i
	for j < len(r) && r[j].Lo-1 <= hi {
		j++
	}
	if i < j {
		lo, hi = min(lo, r[i].Lo), max(hi, r[j-1].Hi)
	}
	return slices.Replace(r, i, j, Range{lo, hi})
}

// Union returns the numbers that are in r or in o. The result shares nothing with either.
func (r Ranges) Union(o Ranges) Ranges {
	if len(r) == 0 && len(o) == 0 {
		return nil
	}
	out := make(Ranges, 0, max(len(r), len(o)))
	for len(r) > 0 || len(o) > 0 {
		var next Range
		if len(o) == 0 || len(r) > 0 && r[0].Lo <= o[0].Lo {
			next, r = r[0], r[1:]
		} else {
			next, o = o[0], o[1:]
		}
		if n := len(out); n > 0 && next.Lo-1 <= out[n-1].Hi {
			out[n-1].Hi = max(out[n-1].Hi, next.Hi)
		} else {
			out = append(out, next)
		}
	}
	return out
}

// Sub returns the numbers that are in r and not in o. The result shares nothing with either.
func (r Ranges) Sub(o Ranges) Ranges {
	var out Ranges
	for _, x := range r {
		lo, done := x.Lo, false
		for len(o) > 0 && o[0].Lo <= x.Hi && !done {
			if o[0].Lo > lo {
				out = append(out, Range{lo, o[0].Lo - 1})
			}
			if done = o[0].Hi >= x.Hi; !done { // what ends later may matter to the next range
				lo = max(lo, o[0].Hi+1)
				o = o[1:]
			}
		}
		if !done {
			out = append(out, Range{lo, x.Hi})
		}
	}
	return out
}

// Intersect returns the numbers that are in both r and o. The result shares nothing with either.
func (r Ranges) Intersect(o Ranges) Ranges {
	var out Ranges
	for len(r) > 0 && len(o) > 0 {
		if lo, hi := max(r[0].Lo, o[0].Lo), min(r[0].Hi, o[0].Hi); lo <= hi {
			out = append(out, Range{lo, hi})
		}
		if r[0].Hi < o[0].Hi {
			r = r[1:]
		} else {
			o = o[1:]
		}
	}
	return out
}

// covers reports whether every number of o is in r.
func (r Ranges) covers(o Ranges) bool {
	for _, x := range o {
		for len(r) > 0 && r[0].Hi < x.Lo {
			r = r[1:]
		}
		if len(r) == 0 || x.Lo < r[0].Lo || x.Hi > r[0].Hi {
			return false
		}
	}
	return true
}

// Count returns how many numbers r has.
func (r Ranges) Count() uint64 {
	var n uint64
	for _, x := range r {
		n += x.Hi - x.Lo + 1 // disjoint and without 0: cannot overflow
	}
	return n
}

// Max returns the highest number of r, 0 if r is empty.
func (r Ranges) Max() uint64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].Hi
}

// Clone returns a copy that shares nothing with r.
func (r Ranges) Clone() Ranges { return slices.Clone(r) }

// String returns the range as "lo-hi", or as one number.
func (x Range) String() string {
	if x.Lo == x.Hi {
		return strconv.FormatUint(x.Lo, 10)
	}
	return strconv.FormatUint(x.Lo, 10) + "-" + strconv.FormatUint(x.Hi, 10)
}

// String returns the ranges separated by commas, for example "1-41,43"; "none" if there are none.
func (r Ranges) String() string {
	if len(r) == 0 {
		return "none"
	}
	parts := make([]string, len(r))
	for i, x := range r {
		parts[i] = x.String()
	}
	return strings.Join(parts, ",")
}
