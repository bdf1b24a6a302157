package crdttest_test

import (
	"fmt"
	"maps"

	"github.com/minikv/minikv/crdt/crdttest"
	"pgregory.net/rapid"
)

// Counter is a grow-only counter: how much each replica has added.
type Counter map[int]int

// Join takes the higher count of each replica.
func (c Counter) Join(o Counter) Counter {
	out := maps.Clone(c)
	for replica, n := range o {
		out[replica] = max(out[replica], n)
	}
	return out
}

// Equal reports whether both counted the same.
func (c Counter) Equal(o Counter) bool { return maps.Equal(c, o) }

// Counter has the methods Join and Equal of crdt.Lattice, so a way to make and to change one is all that is missing.
func ExampleCheck() {
	t := newRecorder("TestCounter") // in a test of yours, the *testing.T
	crdttest.Check(t, crdttest.Spec[Counter]{
		New: func(int) Counter { return Counter{} },
		Mutate: func(t *rapid.T, c Counter, replica int) (next, delta Counter) {
			delta = Counter{replica: c[replica] + rapid.IntRange(1, 3).Draw(t, "add")}
			return c.Join(delta), delta
		},
		Require: map[string]float64{"concurrent": 0.3},
	})
	for _, law := range t.laws() {
		fmt.Println(law.name, law.passed())
	}
	// Output:
	// equality true
	// commutative true
	// associative true
	// idempotent true
	// identity true
	// inflationary true
	// delta true
	// convergent true
	// independent true
}

// Of two writes at the same time this register keeps the one that it already has, so two replicas that receive them in
// different order differ for ever.
func ExampleCheck_broken() {
	type register struct {
		time  int
		value string
	}

	defer seed("1")() // as -rapid.seed=1 does: the same failure in each run

	t := newRecorder("TestRegister")
	crdttest.Check(t, crdttest.Spec[register]{
		New: func(int) register { return register{} },
		Mutate: func(t *rapid.T, r register, _ int) (next, delta register) {
			next = register{r.time + 1, rapid.SampledFrom([]string{"x", "y"}).Draw(t, "value")}
			return next, next
		},
		Join: func(a, b register) register {
			if a.time >= b.time {
				return a
			}
			return b
		},
		Equal: func(a, b register) bool { return a == b },
	})
	fmt.Println(t.law("commutative").message())
	// Output:
	// crdttest: law "commutative" is broken: Join(a, b) differs from Join(b, a)
	//     a          = {time:1 value:x}
	//     b          = {time:1 value:y}
	//     Join(a, b) = {time:1 value:x}
	//     Join(b, a) = {time:1 value:y}
	//   after these steps
	//      1. replica 0 writes, delta 1: {time:1 value:x}
	//      2. replica 1 writes, delta 2: {time:1 value:y}
}
