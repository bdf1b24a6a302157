package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	ds "github.com/ipfs/go-datastore"
	"golang.org/x/sync/errgroup"
)

const (
	writerNodes  = 5
	writesEach   = 2_000
	contendedKey = 1_000
)

// writers measures five connected nodes that each write 2,000 times to the same 1,000 keys at once, until all five hold
// the same.
func writers(b *bench) error {
	for _, size := range []int{1000, 100, 1} {
		what := fmt.Sprintf("five nodes, %d concurrent writes to %d keys, batches of %d, to equal", writerNodes*writesEach, contendedKey, size)
		runs := b.Runs
		if size == 1 {
			runs = b.WaitRuns
		}
		err := b.measure(what, "s", runs, func(ctx context.Context) (float64, error) { return b.contend(ctx, size) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) contend(ctx context.Context, size int) (float64, error) {
	nodes, stop, err := mesh(ctx, b, writerNodes)
	if err != nil {
		return 0, err
	}
	defer stop()
	keys := randomKeys(contendedKey)
	start := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for i, r := range nodes {
		g.Go(func() error {
			if err := r.putBatches(gctx, shuffled(keys, writesEach, uint64(i)), randomValue(), size); err != nil {
				return fmt.Errorf("%w: writer %d: %w", errNotFinished, i, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	same := func() (n int) {
		for _, r := range nodes[1:] {
			if r.equal(ctx, nodes[0], keys) {
				n++
			}
		}
		return n
	}
	err = poll(ctx, func() bool { return same() == writerNodes-1 }, func() string {
		return fmt.Sprintf("%d of %d nodes equal the first", same(), writerNodes-1)
	})
	return time.Since(start).Seconds(), err
}

// shuffled returns n keys: all of them in an order of the writer's own, again and again.
func shuffled(keys []ds.Key, n int, seed uint64) []ds.Key {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []ds.Key
	for len(out) < n {
		for _, i := range rng.Perm(len(keys)) {
			out = append(out, keys[i])
		}
	}
	return out[:n]
}
