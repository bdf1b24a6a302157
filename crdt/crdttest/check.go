package crdttest

import (
	"testing"

	"pgregory.net/rapid"
)

// Check tests the laws on the type that spec describes, each as a subtest named after the law, and reports what was
// exercised. It needs of t only what rapid needs, so that a test of a checker can pass something else than
// a *testing.T; laws become subtests if t is a *testing.T or has a method Run(name string, f func(rapid.TB)) bool, and
// otherwise run in t itself, up to the first that fails.
func Check[S any](t rapid.TB, spec Spec[S]) {
	t.Helper()
	s, err := spec.complete()
	if err != nil {
		t.Fatalf("crdttest: %v", err)
	}
	sum := newTally()
	for _, l := range laws(s) {
		ok := subtest(t, l.name, func(t rapid.TB) {
			rapid.Check(t, func(t *rapid.T) {
				c := &trial[S]{t: t, spec: s, law: l.name, tally: newTally()}
				l.check(c)
				sum.addCase(c.tally)
			})
		})
		if !ok {
			sum.failed = true
		}
	}
	if sum.failed || sum.cases == 0 { // nothing to say of a check that stopped half way, or that -run left out
		return
	}
	for _, line := range sum.report(s.Require) {
		t.Logf("crdttest: %s", line)
	}
	for _, line := range sum.shortfalls(s.Require) {
		t.Errorf("crdttest: %s", line)
	}
}

// subtest runs f under a name where t can do that. It reports whether f passed.
func subtest(t rapid.TB, name string, f func(rapid.TB)) bool {
	switch t := t.(type) {
	case *testing.T:
		return t.Run(name, func(t *testing.T) { f(t) })
	case interface {
		Run(name string, f func(rapid.TB)) bool
	}:
		return t.Run(name, f)
	}
	f(t)
	return !t.Failed()
}
