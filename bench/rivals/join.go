package main

import (
	"context"
	"fmt"
	"time"

	ds "github.com/ipfs/go-datastore"
)

const joinKeys = 10_000

// join measures an empty node that connects to one with 10,000 keys, until it has them all.
func join(b *bench) error {
	what := fmt.Sprintf("an empty node joins %d keys, heads announced every %v", joinKeys, b.Rebroadcast)
	return b.measure(what, "s", b.WaitRuns, func(ctx context.Context) (float64, error) {
		full, err := newReplica(b, nil)
		if err != nil {
			return 0, err
		}
		defer full.close()
		keys := randomKeys(joinKeys)
		if err := full.putBatches(ctx, keys, randomValue(), 1000); err != nil {
			return 0, err
		}
		empty, err := newReplica(b, nil)
		if err != nil {
			return 0, err
		}
		defer empty.close()
		start := time.Now()
		if err := empty.connect(ctx, full); err != nil {
			return 0, err
		}
		err = poll(ctx, func() bool { return empty.puts.Load() >= joinKeys && empty.missing(ctx, keys) == 0 }, func() string {
			return fmt.Sprintf("%d of %d keys missing", empty.missing(b.ctx, keys), joinKeys)
		})
		return time.Since(start).Seconds(), err
	})
}

// differ measures two nodes that hold 10,000 equal keys, lose each other, take five new keys each and meet again.
func differ(b *bench) error {
	what := fmt.Sprintf("10 of %d keys differ after a partition, heads announced every %v, to equal", joinKeys, b.Rebroadcast)
	return b.measure(what, "s", b.WaitRuns, func(ctx context.Context) (float64, error) {
		nodes, stop, err := mesh(ctx, b, 2)
		if err != nil {
			return 0, err
		}
		defer stop()
		a, z := nodes[0], nodes[1]
		if err := share(ctx, a, z); err != nil {
			return 0, err
		}
		fresh, err := part(ctx, a, z)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		if err := a.connect(ctx, z); err != nil {
			return 0, err
		}
		err = poll(ctx, func() bool { return a.missing(ctx, fresh)+z.missing(ctx, fresh) == 0 }, func() string {
			return fmt.Sprintf("%d and %d of 10 keys missing", a.missing(b.ctx, fresh), z.missing(b.ctx, fresh))
		})
		return time.Since(start).Seconds(), err
	})
}

// share fills a and waits until z has the same.
func share(ctx context.Context, a, z *replica) error {
	keys := randomKeys(joinKeys)
	if err := a.putBatches(ctx, keys, randomValue(), 1000); err != nil {
		return err
	}
	return poll(ctx, func() bool { return z.missing(ctx, keys) == 0 }, func() string { return "the nodes did not become equal before the partition" })
}

// part disconnects a and z, writes five keys on each and returns them once both have left the other's topic.
func part(ctx context.Context, a, z *replica) ([]ds.Key, error) {
	if err := a.disconnect(z); err != nil {
		return nil, err
	}
	gone := func() bool { return len(a.pubsub.ListPeers(topic))+len(z.pubsub.ListPeers(topic)) == 0 }
	if err := poll(ctx, gone, func() string { return "the nodes did not part" }); err != nil {
		return nil, err
	}
	keys := randomKeys(10)
	if err := a.putBatches(ctx, keys[:5], randomValue(), 1); err != nil {
		return nil, err
	}
	return keys, z.putBatches(ctx, keys[5:], randomValue(), 1)
}
