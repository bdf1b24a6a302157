package main

import (
	"fmt"
	"slices"
)

// figure is one row of the table: what was measured over the runs, beside its floor where it has one.
type figure struct {
	what  string
	unit  string
	bar   bar
	ours  samples
	floor samples
	ratio samples // ours / floor, run by run
	note  string
}

func (f *figure) add(ours float64) { f.ours = append(f.ours, ours) }

// addPair takes two values of the same run.
func (f *figure) addPair(ours, floor float64) {
	f.ours = append(f.ours, ours)
	f.floor = append(f.floor, floor)
	f.ratio = append(f.ratio, ours/floor)
}

// samples are the values of one quantity in the order of the runs.
type samples []float64

// median returns the middle value; of an even number, the mean of the two in the middle. NaN-free input is assumed.
func (s samples) median() float64 {
	v := slices.Sorted(slices.Values(s))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// text is "median (min - max)".
func (s samples) text() string {
	if len(s) == 0 {
		return ""
	}
	if len(s) == 1 {
		return digits(s[0])
	}
	return fmt.Sprintf("%s (%s - %s)", digits(s.median()), digits(slices.Min(s)), digits(slices.Max(s)))
}

// digits writes about three significant digits, with K and M for thousands and millions.
func digits(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0f K", v/1e3)
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// bar is what a figure is held to. The zero bar holds it to nothing.
type bar struct {
	limit  float64
	ratio  bool // of the ratio to the floor, else of our own value
	atMost bool // else at least
}

func ratioAtLeast(x float64) bar { return bar{limit: x, ratio: true} }
func ratioAtMost(x float64) bar  { return bar{limit: x, ratio: true, atMost: true} }
func atLeast(x float64) bar      { return bar{limit: x} }
func atMost(x float64) bar       { return bar{limit: x, atMost: true} }

// text is the bar as the table shows it.
func (b bar) text(unit string) string {
	if b == (bar{}) {
		return ""
	}
	sign := "≥"
	if b.atMost {
		sign = "≤"
	}
	if b.ratio {
		return fmt.Sprintf("%s %g x", sign, b.limit)
	}
	return fmt.Sprintf("%s %s %s", sign, digits(b.limit), unit)
}

// verdict says whether the median meets the bar.
func (f *figure) verdict() string {
	of := f.ours
	if f.bar.ratio {
		of = f.ratio
	}
	if f.bar == (bar{}) || len(of) == 0 {
		return ""
	}
	if m := of.median(); m == f.bar.limit || (m < f.bar.limit) == f.bar.atMost {
		return "yes"
	}
	return "**no**"
}
