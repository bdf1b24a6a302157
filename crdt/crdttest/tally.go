package crdttest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// tally counts what was exercised, in one case or in all of them.
type tally struct {
	failed    bool
	cases     int
	mutations int
	noops     int // mutations that changed nothing
	joins     int
	delivered int
	reordered int // delivered before an earlier message of the same sender to the same receiver
	repeated  int
	lost      int
	names     map[string]int // of Classify: in how many cases each came up
}

func newTally() *tally { return &tally{names: map[string]int{}} }

// addCase adds the counts of one case.
func (t *tally) addCase(c *tally) {
	t.cases++
	t.mutations += c.mutations
	t.noops += c.noops
	t.joins += c.joins
	t.delivered += c.delivered
	t.reordered += c.reordered
	t.repeated += c.repeated
	t.lost += c.lost
	for name, n := range c.names {
		t.names[name] += n
	}
}

// report says in a few lines what was exercised.
func (t *tally) report(required map[string]float64) []string {
	names := maps.Clone(t.names)
	for name := range required {
		names[name] += 0
	}
	shares := make([]string, 0, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s := fmt.Sprintf("%q %.1f %%", name, 100*t.share(name))
		if least, ok := required[name]; ok {
			s += fmt.Sprintf(" (at least %g %%)", 100*least)
		}
		shares = append(shares, s)
	}
	return []string{
		fmt.Sprintf("%d cases, %d mutations (%d without effect), %d joins", t.cases, t.mutations, t.noops, t.joins),
		fmt.Sprintf("%d deltas delivered, of which %d out of order and %d once more than needed; %d lost", t.delivered, t.reordered, t.repeated, t.lost),
		"share of the cases with " + strings.Join(shares, ", "),
	}
}

// shortfalls says which part of the check was too thin to mean anything.
func (t *tally) shortfalls(required map[string]float64) []string {
	var out []string
	if t.mutations == t.noops {
		out = append(out, fmt.Sprintf("none of %d mutations changed anything, so the laws hold for nothing; see to Mutate, Equal and Clone", t.mutations))
	}
	for _, name := range slices.Sorted(maps.Keys(required)) {
		least := required[name]
		deviation := math.Sqrt(least * (1 - least) / float64(t.cases))
		if t.share(name) < least-3*deviation {
			out = append(out, fmt.Sprintf("%q came up in %.1f %% of %d cases, want at least %g %%; let Mutate draw from fewer values",
				name, 100*t.share(name), t.cases, 100*least))
		}
	}
	return out
}

func (t *tally) share(name string) float64 { return float64(t.names[name]) / float64(t.cases) }
