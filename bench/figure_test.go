package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   samples
		want float64
	}{
		{samples{3}, 3},
		{samples{9, 1, 5}, 5},
		{samples{4, 1, 3, 2}, 2.5},
	} {
		require.Equal(t, c.want, c.in.median(), "%v", c.in)
	}
}

func TestMedianLeavesTheOrderOfTheRuns(t *testing.T) {
	s := samples{3, 1, 2}
	s.median()
	require.Equal(t, samples{3, 1, 2}, s)
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.071: "0.07", 1.5: "1.50", 12.34: "12.3", 200: "200", 4096: "4096", 150_000: "150 K", 1_234_567: "1.23 M",
	} {
		require.Equal(t, want, digits(v))
	}
}

func TestVerdict(t *testing.T) {
	pairs := func(b bar, ours, floor float64) *figure {
		f := &figure{bar: b}
		f.addPair(ours, floor)
		return f
	}
	for _, c := range []struct {
		name string
		f    *figure
		want string
	}{
		{"no bar", pairs(bar{}, 1, 1), ""},
		{"nothing measured", &figure{bar: atLeast(1)}, ""},
		{"at least, above", pairs(atLeast(10), 11, 100), "yes"},
		{"at least, equal", pairs(atLeast(10), 10, 100), "yes"},
		{"at least, below", pairs(atLeast(10), 9, 1), "**no**"},
		{"at most, below", pairs(atMost(10), 9, 1), "yes"},
		{"at most, above", pairs(atMost(10), 11, 100), "**no**"},
		{"ratio at least, above", pairs(ratioAtLeast(0.7), 8, 10), "yes"},
		{"ratio at least, below", pairs(ratioAtLeast(0.7), 6, 10), "**no**"},
		{"ratio at most, above", pairs(ratioAtMost(1), 11, 10), "**no**"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, c.f.verdict()) })
	}
}

// The ratio is of each run's pair: the ratio of the medians would be 1 here.
func TestRatioIsOfThePair(t *testing.T) {
	var f figure
	f.addPair(10, 10)
	f.addPair(20, 5)
	f.addPair(5, 20)
	require.Equal(t, samples{1, 4, 0.25}, f.ratio)
	require.Equal(t, 1.0, f.ratio.median())
	require.Equal(t, "10.0 (5.00 - 20.0)", f.ours.text())
}
