package crdttest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/crdt/crdttest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// check runs a check of 100 cases for each law, whatever the flags say, and returns what happened. Little time is spent
// on making failures small.
func check[S any](spec crdttest.Spec[S]) *recorder {
	defer setFlag("rapid.shrinktime", "50ms")()
	return checkFully(spec)
}

// checkFully does so with the time to make failures minimal.
func checkFully[S any](spec crdttest.Spec[S]) *recorder {
	cases := 100
	if testing.Short() {
		cases *= 5 // rapid divides by that
	}
	defer setFlag("rapid.checks", strconv.Itoa(cases))()
	r := newRecorder("TestBroken")
	r.do(func() { crdttest.Check(r, spec) })
	return r
}

// requireBroken fails unless each of the laws was found broken, by name and with states.
func requireBroken(t *testing.T, r *recorder, laws ...string) {
	t.Helper()
	require.True(t, r.Failed())
	require.Subset(t, r.broken(), laws)
	for _, law := range laws {
		require.Contains(t, r.law(law).message(), fmt.Sprintf("crdttest: law %q is broken: ", law))
		require.Contains(t, r.law(law).message(), " = ")
	}
	require.Empty(t, r.errors, "nothing to say of the counts of a check that failed")
}

func counters() crdttest.Spec[Counter] {
	return crdttest.Spec[Counter]{
		New: func(int) Counter { return Counter{} },
		Mutate: func(t *rapid.T, c Counter, replica int) (next, delta Counter) {
			delta = Counter{replica: c[replica] + rapid.IntRange(1, 3).Draw(t, "add")}
			return c.Join(delta), delta
		},
		Clone:     func(c Counter) Counter { return maps.Clone(c) },
		Encode:    func(c Counter) ([]byte, error) { return json.Marshal(c) },
		Decode:    func(b []byte) (c Counter, err error) { return c, json.Unmarshal(b, &c) },
		Canonical: true,
	}
}

func TestSoundTypesPass(t *testing.T) {
	require.Empty(t, check(counters()).broken())
	require.Empty(t, check(sets()).broken())
	require.Empty(t, check(registers(later)).broken())
}

func TestRegisterThatKeepsItsOwnOnTies(t *testing.T) {
	r := check(registers(func(a, b Register) Register {
		if a.Stamp >= b.Stamp {
			return a
		}
		return b
	}))
	requireBroken(t, r, "commutative", "convergent")
}

func TestCounterThatAddsInsteadOfTakingTheHigher(t *testing.T) {
	spec := counters()
	spec.Join = func(a, b Counter) Counter {
		for replica, n := range b {
			a[replica] += n
		}
		return a
	}
	r := check(spec)
	requireBroken(t, r, "idempotent", "inflationary", "delta", "convergent")
	require.NotContains(t, r.broken(), "commutative")
}

func TestJoinThatIsNotAssociative(t *testing.T) {
	spec := counters()
	spec.Join = func(a, b Counter) Counter { // nobody may be more than 2 ahead of the one below
		out := a.Join(b)
		for i := range len(out) {
			if i > 0 && out[i] > out[i-1]+2 {
				out[i-1] = out[i] - 2
			}
		}
		return out
	}
	requireBroken(t, check(spec), "associative")
}

// As in a store whose local assignment overwrites at an equal stamp while its merge does not.
func TestMutationThatDoesNotInflate(t *testing.T) {
	spec := registers(func(a, b Register) Register {
		if a.order(b) > 0 || a.order(b) == 0 && a.Value >= b.Value {
			return a
		}
		return b
	})
	spec.Require = nil
	spec.Mutate = func(t *rapid.T, r Register, replica int) (next, delta Register) {
		next = Register{Value: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "value"), Stamp: max(r.Stamp, 1), Writer: r.Writer}
		return next, next
	}
	requireBroken(t, check(spec), "inflationary")
}

func TestDeltaThatLeavesSomethingOut(t *testing.T) {
	spec := sets()
	spec.Mutate = func(t *rapid.T, s *Set, replica int) (next, delta *Set) {
		elem := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "element")
		if rapid.Bool().Draw(t, "remove") {
			s.remove(elem)
			return s, newSet()
		}
		return s, s.add(elem, crdt.Actor(replica))
	}
	requireBroken(t, check(spec), "delta", "convergent")
}

func TestSetThatBringsBackWhatWasRemoved(t *testing.T) {
	spec := sets()
	spec.Join = func(a, b *Set) *Set { // keeps every add that either side holds
		maps.Copy(a.adds, b.adds)
		a.seen.Join(b.seen)
		return a
	}
	requireBroken(t, check(spec), "inflationary", "delta")
}

func TestSetThatForgetsWhatItHasNotSeen(t *testing.T) {
	spec := sets()
	spec.Join = func(a, b *Set) *Set { // takes the highest number seen for all numbers below it
		for _, s := range b.seen.Spans() {
			b.seen.AddRanges(s.Actor, crdt.Ranges{{Lo: 1, Hi: s.Ranges.Max()}})
		}
		return a.join(b)
	}
	requireBroken(t, check(spec), "convergent", "independent")
}

func TestNewStateThatIsNotEmpty(t *testing.T) {
	spec := counters()
	spec.New = func(replica int) Counter { return Counter{replica: 1} }
	requireBroken(t, check(spec), "identity")
}

func TestSharedMemory(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
		spec func(*crdttest.Spec[Counter])
	}{
		{"join changes its second argument", "Join changes its second argument", func(s *crdttest.Spec[Counter]) {
			s.Join = func(a, b Counter) Counter {
				maps.Copy(b, a.Join(b))
				return maps.Clone(b)
			}
		}},
		{"join returns its second argument", "the result of Join shares memory with its second argument", func(s *crdttest.Spec[Counter]) {
			s.Join = func(a, b Counter) Counter {
				if out := a.Join(b); !out.Equal(b) {
					return out
				}
				return b
			}
			s.Mutate = addInPlace
		}},
		{"the delta is the state", "shares memory with the state", func(s *crdttest.Spec[Counter]) {
			s.Mutate = func(t *rapid.T, c Counter, replica int) (next, delta Counter) {
				next, _ = addInPlace(t, c, replica)
				return next, next
			}
		}},
		{"the clone is the original", "Clone shares memory with the original", func(s *crdttest.Spec[Counter]) {
			s.Clone = func(c Counter) Counter { return c }
			s.Mutate = func(t *rapid.T, c Counter, replica int) (next, delta Counter) {
				c, delta = addInPlace(t, c, replica)
				return maps.Clone(c), delta
			}
		}},
		{"states look alike", "Join changes its second argument", func(s *crdttest.Spec[Counter]) {
			s.Show = func(Counter) string { return "a counter" }
			s.Join = func(a, b Counter) Counter {
				maps.Copy(b, a.Join(b))
				return maps.Clone(b)
			}
		}},
		{"changes in place without a clone", "changes its first argument, though there is no Clone", func(s *crdttest.Spec[Counter]) {
			s.Clone = nil
			s.Mutate = addInPlace
			s.Join = func(a, b Counter) Counter {
				maps.Copy(a, a.Join(b))
				return a
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := counters()
			c.spec(&spec)
			r := check(spec)
			requireBroken(t, r, "independent")
			require.Contains(t, r.law("independent").message(), c.want)
		})
	}
}

func addInPlace(t *rapid.T, c Counter, replica int) (next, delta Counter) {
	c[replica] += rapid.IntRange(1, 3).Draw(t, "add")
	return c, Counter{replica: c[replica]}
}

func TestEqualityThatIsNone(t *testing.T) {
	spec := counters()
	spec.Equal = func(a, b Counter) bool { // says yes if b has all of a
		return a.Join(b).Equal(b)
	}
	requireBroken(t, check(spec), "equality")

	spec = counters()
	spec.Equal = func(a, b Counter) bool { return len(a) == len(b) } // sees only who counted
	requireBroken(t, check(spec), "equality", "canonical")
}

func TestCodecThatLosesSomething(t *testing.T) {
	spec := registers(later)
	spec.Encode = func(r Register) ([]byte, error) { return json.Marshal(Register{Value: r.Value, Stamp: r.Stamp}) }
	requireBroken(t, check(spec), "codec", "canonical")
}

func TestCodecThatFails(t *testing.T) {
	spec := registers(later)
	spec.Encode = func(r Register) ([]byte, error) { return nil, errors.New("too long") }
	r := check(spec)
	requireBroken(t, r, "codec")
	require.Contains(t, r.law("codec").message(), "Encode fails: too long")

	spec = registers(later)
	spec.Decode = func(b []byte) (Register, error) { return Register{}, errors.New("cut short") }
	r = check(spec)
	requireBroken(t, r, "codec")
	require.Contains(t, r.law("codec").message(), "Decode of what Encode made fails: cut short (bytes 7b22")
}

func TestBytesThatAreNotCanonical(t *testing.T) {
	spec := sets()
	spec.Encode = func(s *Set) ([]byte, error) { // in the order of a map
		w := wireSet{Seen: s.seen.Spans()}
		for dot, elem := range s.adds {
			w.Dots, w.Elems = append(w.Dots, dot), append(w.Elems, elem)
		}
		return json.Marshal(w)
	}
	r := check(spec)
	require.Contains(t, r.broken(), "canonical")
	require.NotContains(t, r.broken(), "codec")

	spec.Canonical = false
	require.Empty(t, check(spec).broken(), "fine for those who do not compare bytes")
}

func TestPanicsAreReported(t *testing.T) {
	spec := registers(later)
	spec.Join = func(a, b Register) Register { panic("not written yet") }
	r := check(spec)
	require.Contains(t, r.broken(), "commutative")
	require.Contains(t, r.law("commutative").errors[0], "not written yet")
}
