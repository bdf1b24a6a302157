package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"
)

func newBench(out *bytes.Buffer) *bench {
	c := config{Runs: 1, WaitRuns: 1, Limit: 30 * time.Second, Rebroadcast: time.Minute, Keys: 1000, Store: "map"}
	return &bench{ctx: context.Background(), config: c, out: newReport(out, false)}
}

// The rival does the work at all, and every row has a figure.
func TestLocalAndPair(t *testing.T) {
	var out bytes.Buffer
	b := newBench(&out)
	require.NoError(t, local(b))
	_, err := b.transfer(b.ctx, 1000, 1000)
	require.NoError(t, err)
	require.Equal(t, 5, strings.Count(out.String(), "map store"), out.String())
	require.NotContains(t, out.String(), "not finished")
}

// Work that does not end is told, with how far it came, and is no error.
func TestNotFinished(t *testing.T) {
	var out bytes.Buffer
	b := newBench(&out)
	b.Limit = 20 * time.Millisecond
	tries := 0
	require.NoError(t, b.measure("waiting", "s", 3, func(ctx context.Context) (float64, error) {
		tries++
		return 0, poll(ctx, func() bool { return false }, func() string { return "7 of 10" })
	}))
	require.Equal(t, 1, tries)
	require.Contains(t, out.String(), "not finished")
	require.Contains(t, out.String(), "7 of 10")
}

func TestMedian(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{1, 2, 9}))
	require.Equal(t, 2.5, median([]float64{1, 2, 3, 9}))
}

func TestShuffledTakesEachKeyEquallyOften(t *testing.T) {
	count := map[ds.Key]int{}
	for _, k := range shuffled(randomKeys(100), 300, 1) {
		count[k]++
	}
	require.Len(t, count, 100)
	for _, n := range count {
		require.Equal(t, 3, n)
	}
}
