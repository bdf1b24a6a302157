package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// pair measures two connected nodes: new keys written on one in batches of 1,000 until the other has all of them.
func pair(b *bench) error {
	for _, n := range []int{1_000, 10_000} {
		what := fmt.Sprintf("A to B, %d new keys, batches of 1,000, to equal", n)
		err := b.measure(what, "keys per s", b.Runs, func(ctx context.Context) (float64, error) {
			took, err := b.transfer(ctx, n, 1000)
			return float64(n) / took.Seconds(), err
		})
		if err != nil {
			return err
		}
	}
	return b.measure("A to B, 1000 new keys, one by one, to equal", "keys per s", b.WaitRuns, func(ctx context.Context) (float64, error) {
		took, err := b.transfer(ctx, 1000, 1)
		return 1000 / took.Seconds(), err
	})
}

func (b *bench) transfer(ctx context.Context, n, batch int) (time.Duration, error) {
	nodes, stop, err := mesh(ctx, b, 2)
	if err != nil {
		return 0, err
	}
	defer stop()
	keys, v := randomKeys(n), randomValue()
	start := time.Now()
	if err := nodes[0].putBatches(ctx, keys, v, batch); err != nil {
		return 0, err
	}
	err = poll(ctx, func() bool { return nodes[1].missing(ctx, keys) == 0 }, func() string {
		return fmt.Sprintf("%d of %d keys missing", nodes[1].missing(b.ctx, keys), n)
	})
	return time.Since(start), err
}

// visible measures one put at a time, from the call until a get on the other node finds it.
func visible(b *bench) error {
	const puts = 200
	rows := []row{
		{"one put to visible at the other node, p50", "ms"},
		{"one put to visible at the other node, p99", "ms"},
	}
	return b.measureRows(rows, b.Runs, func(ctx context.Context) ([]float64, error) {
		times, err := b.latencies(ctx, puts)
		if err != nil {
			return nil, err
		}
		return []float64{percentile(times, 0.50), percentile(times, 0.99)}, nil
	})
}

// percentile of sorted times, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	return sorted[int(p*float64(len(sorted)-1))].Seconds() * 1e3
}

// latencies returns the sorted times of n single puts, each begun when the one before it was seen. The reader looks
// every 50 us.
func (b *bench) latencies(ctx context.Context, n int) ([]time.Duration, error) {
	nodes, stop, err := mesh(ctx, b, 2)
	if err != nil {
		return nil, err
	}
	defer stop()
	v := randomValue()
	times := make([]time.Duration, 0, n)
	for _, k := range randomKeys(n) {
		start := time.Now()
		if err := nodes[0].Put(ctx, k, v); err != nil {
			return nil, err
		}
		for {
			if _, err := nodes[1].Get(ctx, k); err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%w: %d of %d puts seen", errNotFinished, len(times), n)
			}
			time.Sleep(50 * time.Microsecond)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times, nil
}
