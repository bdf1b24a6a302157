package crdttest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/crdt/crdttest"
	"pgregory.net/rapid"
)

// Set is an observed-remove set: each element with the dots of the adds that put it there, and all dots ever seen. An
// add that a remove had not seen survives it. It is changed in place.
//
// After Almeida, Shoker and Baquero, "Delta State Replicated Data Types" (2018), section 7.
type Set struct {
	adds map[crdt.Dot]string
	seen *crdt.Context
}

func newSet() *Set { return &Set{adds: map[crdt.Dot]string{}, seen: new(crdt.Context)} }

func (s *Set) clone() *Set { return &Set{maps.Clone(s.adds), s.seen.Clone()} }

func (s *Set) equal(o *Set) bool { return maps.Equal(s.adds, o.adds) && s.seen.Equal(o.seen) }

// has reports whether elem is in the set.
func (s *Set) has(elem string) bool {
	return slices.Contains(slices.Collect(maps.Values(s.adds)), elem)
}

// add puts elem into the set and returns the delta.
func (s *Set) add(elem string, actor crdt.Actor) *Set {
	delta := s.remove(elem) // the new dot stands for all older ones
	dot := crdt.Dot{Actor: actor, Seq: s.seen.Next(actor)}
	for _, t := range []*Set{s, delta} {
		t.adds[dot] = elem
		t.seen.Add(dot)
	}
	return delta
}

// remove takes elem out of the set and returns the delta: the dots it has seen, and nothing under them.
func (s *Set) remove(elem string) *Set {
	delta := newSet()
	for dot, e := range s.adds {
		if e == elem {
			delete(s.adds, dot)
			delta.seen.Add(dot)
		}
	}
	return delta
}

// join brings in what o has. An add stays if both have it, or if the side that lacks it has not seen it.
func (s *Set) join(o *Set) *Set {
	for dot := range s.adds {
		if _, held := o.adds[dot]; !held && o.seen.Has(dot) {
			delete(s.adds, dot)
		}
	}
	for dot, elem := range o.adds {
		if !s.seen.Has(dot) {
			s.adds[dot] = elem
		}
	}
	s.seen.Join(o.seen)
	return s
}

func (s *Set) dots() []crdt.Dot { return slices.SortedFunc(maps.Keys(s.adds), crdt.Dot.Compare) }

func (s *Set) String() string {
	text := ""
	for _, dot := range s.dots() {
		text += fmt.Sprintf("%s=%s ", dot, s.adds[dot])
	}
	return text + "seen " + s.seen.String()
}

// wireSet is a set as bytes.
type wireSet struct {
	Dots  []crdt.Dot
	Elems []string
	Seen  []crdt.Span
}

func encodeSet(s *Set) ([]byte, error) {
	w := wireSet{Dots: s.dots(), Seen: s.seen.Spans()}
	for _, dot := range w.Dots {
		w.Elems = append(w.Elems, s.adds[dot])
	}
	return json.Marshal(w)
}

func decodeSet(b []byte) (*Set, error) {
	var w wireSet
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, err
	}
	seen, err := crdt.FromSpans(w.Seen)
	if err != nil {
		return nil, err
	}
	s := &Set{map[crdt.Dot]string{}, seen}
	for i, dot := range w.Dots {
		s.adds[dot] = w.Elems[i]
	}
	return s, nil
}

// sets is the specification of Set.
func sets() crdttest.Spec[*Set] {
	elems := rapid.SampledFrom([]string{"x", "y"})
	return crdttest.Spec[*Set]{
		New: func(int) *Set { return newSet() },
		Mutate: func(t *rapid.T, s *Set, replica int) (next, delta *Set) {
			if elem := elems.Draw(t, "element"); rapid.Bool().Draw(t, "remove") {
				delta = s.remove(elem)
			} else {
				delta = s.add(elem, crdt.Actor(replica))
			}
			return s, delta
		},
		Join:      func(a, b *Set) *Set { return a.join(b) },
		Equal:     func(a, b *Set) bool { return a.equal(b) },
		Clone:     func(s *Set) *Set { return s.clone() },
		Encode:    encodeSet,
		Decode:    decodeSet,
		Canonical: true,
		Show:      (*Set).String,
		Classify:  classifySets,
		Require:   map[string]float64{"concurrent": 0.3, "add against remove": 0.2, "same element added twice": 0.2, "no-op": 0.2},
	}
}

func classifySets(a, b *Set) []string {
	var out []string
	for dot, elem := range a.adds {
		if !b.seen.Has(dot) && !b.has(elem) && b.seen.Len() > 0 {
			out = append(out, "add against remove")
		}
		for other, e := range b.adds {
			if e == elem && other != dot {
				out = append(out, "same element added twice")
			}
		}
	}
	return out
}

func TestSet(t *testing.T) {
	crdttest.Check(t, sets())
}

func TestSetKeepsAddsThatARemoveHadNotSeen(t *testing.T) {
	a, b := newSet(), newSet()
	b.join(a.add("x", 1))
	b.remove("x")
	a.add("x", 1)
	if !b.join(a).has("x") {
		t.Fatal("the second add of x is lost")
	}
	if len(b.adds) != 1 {
		t.Fatalf("dots %v, want the second add alone", b.adds)
	}
}
