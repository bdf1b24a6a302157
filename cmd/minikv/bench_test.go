package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPercentilesAgainstSortedTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64), 1, 300).Draw(t, "times")
		var l, m latencies
		for i, d := range times {
			[]*latencies{&l, &m}[i%2].record(time.Duration(d))
		}
		l.add(&m)
		slices.Sort(times)
		for _, p := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
			got := l.percentile(p)
			if p < 1 && float64(len(times))*(1-p) < 1-1e-9 {
				require.Nil(t, got, "too few to tell")
				continue
			}
			exact := time.Duration(times[int(math.Ceil(p*float64(len(times))-1e-9))-1]).Seconds()
			require.GreaterOrEqual(t, *got, exact, "never better than it was")
			require.LessOrEqual(t, *got, exact*(1+1.0/perPower)+1e-9)
		}
	})
	require.Nil(t, new(latencies).percentile(0.5))
}

// fakeTarget answers in a millisecond, but for one call that takes a second.
type fakeTarget struct {
	benchTarget
	calls atomic.Int64
	err   error
}

func (f *fakeTarget) put(ctx context.Context, key string, value []byte) error {
	d := time.Millisecond
	if f.calls.Add(1) == 100 {
		d = time.Second
	}
	time.Sleep(d) // of the bubble
	return f.err
}

// At a rate, a stall counts for all that came while it lasted; without one, for the one call that was under way.
func TestAStallCounts(t *testing.T) {
	run := func(rate float64) (r benchResult) {
		synctest.Test(t, func(t *testing.T) {
			b := &benchRun{benchFlags: benchFlags{time: 4 * time.Second, clients: 1, keys: 10, rate: rate}, target: &fakeTarget{}}
			var err error
			r, err = b.measure(context.Background(), "put")
			require.NoError(t, err)
		})
		return r
	}
	closed, open, over := run(0), run(500), run(2000)
	require.InDelta(t, 3000, float64(closed.Calls), 2)
	require.InDelta(t, 0.001, *closed.P99, 0.0001)
	require.InDelta(t, 1, *closed.Max, 0.02)
	require.InDelta(t, 2000, float64(open.Calls), 2)
	require.Zero(t, open.Unasked)
	require.Greater(t, *open.P90, 0.5, "a quarter of all were due in the second that the stall took, or waited behind it")
	require.InDelta(t, 8000, float64(over.Calls+over.Unasked), 2, "what a node too slow for the rate left out is told")
	require.Greater(t, over.Unasked, uint64(4900))
}

func TestAFailedCallEndsABenchmark(t *testing.T) {
	b := &benchRun{benchFlags: benchFlags{time: time.Hour, clients: 4, keys: 10}, target: &fakeTarget{err: errors.New("refused")}}
	_, err := b.measure(context.Background(), "put")
	require.ErrorContains(t, err, "refused")
}

func TestSecondsText(t *testing.T) {
	for s, want := range map[float64]string{1.23456: "1.23s", 0.0123456: "12.35ms", 0.0000123456: "12.35µs", 0.000000123: "123ns"} {
		require.Equal(t, want, secondsText(&s))
	}
	require.Equal(t, "-", secondsText(nil))
}
