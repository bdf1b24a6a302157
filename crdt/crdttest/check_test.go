package crdttest_test

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/minikv/minikv/crdt/crdttest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReportSaysWhatWasExercised(t *testing.T) {
	r := check(sets())
	require.Empty(t, r.errors)
	report := strings.Join(r.log, "\n")
	require.Contains(t, report, fmt.Sprintf("crdttest: %d cases, ", 100*len(r.laws())))
	require.Regexp(t, `"concurrent" [0-9.]+ % \(at least 30 %\)`, report)
	require.Regexp(t, `"ordered" [0-9.]+ %,`, report)
	for _, count := range []string{`(\d+) mutations`, `(\d+) without effect`, `(\d+) joins`, `(\d+) deltas delivered`,
		`(\d+) out of order`, `(\d+) once more`, `(\d+) lost`} {
		found := regexp.MustCompile(count).FindStringSubmatch(report)
		require.Len(t, found, 2, count)
		require.NotEqual(t, "0", found[1], count)
	}
}

func TestSharesThatAreTooLowFail(t *testing.T) {
	spec := registers(later)
	spec.Require = map[string]float64{"tie": 0.95, "three at once": 0.1}
	r := check(spec)
	require.Empty(t, r.broken(), "the laws hold")
	require.Len(t, r.errors, 2)
	require.Regexp(t, `^crdttest: "three at once" came up in 0\.0 % of \d+ cases, want at least 10 %; let Mutate draw from fewer values$`, r.errors[0])
	require.Regexp(t, `^crdttest: "tie" came up in \d\d\.\d % of \d+ cases, want at least 95 %`, r.errors[1])
	require.Contains(t, strings.Join(r.log, "\n"), `"three at once" 0.0 % (at least 10 %)`)
}

func TestCheckOfNothingFails(t *testing.T) {
	for name, change := range map[string]func(*crdttest.Spec[Counter]){
		"everything is equal": func(s *crdttest.Spec[Counter]) {
			s.Equal = func(a, b Counter) bool { return true }
			s.Canonical = false
		},
		"nothing is written": func(s *crdttest.Spec[Counter]) {
			s.Mutate = func(t *rapid.T, c Counter, _ int) (next, delta Counter) { return c, Counter{} }
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := counters()
			change(&spec)
			r := check(spec)
			require.Empty(t, r.broken())
			require.Len(t, r.errors, 1)
			require.Regexp(t, `^crdttest: none of \d+ mutations changed anything`, r.errors[0])
		})
	}
}

func TestIncompleteSpecs(t *testing.T) {
	type state struct{ n int }
	whole := crdttest.Spec[state]{
		New:    func(int) state { return state{} },
		Mutate: func(*rapid.T, state, int) (next, delta state) { return },
		Join:   func(a, b state) state { return state{max(a.n, b.n)} },
		Equal:  func(a, b state) bool { return a == b },
	}
	for _, c := range []struct {
		name   string
		want   string
		change func(*crdttest.Spec[state])
	}{
		{"no New", "Spec.New and Spec.Mutate are required", func(s *crdttest.Spec[state]) { s.New = nil }},
		{"no Mutate", "Spec.New and Spec.Mutate are required", func(s *crdttest.Spec[state]) { s.Mutate = nil }},
		{"no Join", "set Spec.Join and Spec.Equal, or give crdttest_test.state the methods of crdt.Lattice", func(s *crdttest.Spec[state]) { s.Join = nil }},
		{"no Equal", "set Spec.Join and Spec.Equal, or give", func(s *crdttest.Spec[state]) { s.Equal = nil }},
		{"half a codec", "set both Spec.Encode and Spec.Decode, or neither", func(s *crdttest.Spec[state]) {
			s.Encode = func(state) ([]byte, error) { return nil, nil }
		}},
		{"canonical without a codec", "Spec.Canonical needs Spec.Encode", func(s *crdttest.Spec[state]) { s.Canonical = true }},
		{"one replica", "Spec.Replicas is 1, want 2 to 64, or 0 for 3", func(s *crdttest.Spec[state]) { s.Replicas = 1 }},
		{"too many replicas", "Spec.Replicas is 65", func(s *crdttest.Spec[state]) { s.Replicas = 65 }},
		{"a share in percent", `Spec.Require["tie"] is 30, want a share from 0 to 1`, func(s *crdttest.Spec[state]) {
			s.Require = map[string]float64{"tie": 30}
		}},
		{"no share", `Spec.Require["tie"] is NaN`, func(s *crdttest.Spec[state]) { s.Require = map[string]float64{"tie": math.NaN()} }},
	} {
		spec := whole
		c.change(&spec)
		r := check(spec)
		require.Len(t, r.errors, 1, c.name)
		require.Contains(t, r.errors[0], "crdttest: "+c.want, c.name)
		require.Empty(t, r.laws(), c.name)
	}
}

// A handle without subtests runs the laws in itself, up to the first that fails.
func TestHandleWithoutSubtests(t *testing.T) {
	r := newRecorder("TestBroken")
	r.do(func() { crdttest.Check(plain{r}, counters()) })
	require.False(t, r.Failed())

	r = newRecorder("TestBroken")
	spec := counters()
	spec.New = func(replica int) Counter { return Counter{replica: 1} }
	r.do(func() { crdttest.Check(plain{r}, spec) })
	require.True(t, r.Failed())
	require.Contains(t, r.message(), `law "identity"`)
}

// plain hides the method Run.
type plain struct{ rapid.TB }

func TestMoreReplicas(t *testing.T) {
	spec := counters()
	spec.Replicas = 7
	spec.Classify = func(a, b Counter) []string {
		if len(a.Join(b)) == 7 {
			return []string{"seven writers"}
		}
		return nil
	}
	spec.Require = map[string]float64{"seven writers": 0.01}
	crdttest.Check(t, spec)
}

func TestFailuresAreMinimal(t *testing.T) {
	defer seed("1")()
	spec := counters()
	spec.Join = func(a, b Counter) Counter {
		for replica, n := range b {
			a[replica] += n
		}
		return a
	}
	require.Equal(t, strings.TrimSpace(`
crdttest: law "idempotent" is broken: Join(a, a) differs from a
    Join(a, a) = map[0:2]
    a          = map[0:1]
  after these steps
     1. replica 0 writes, delta 1: map[0:1]`), checkFully(spec).law("idempotent").message())
}
