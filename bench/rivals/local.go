package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"time"

	ds "github.com/ipfs/go-datastore"
	pebbleds "github.com/ipfs/go-ds-pebble"
)

// local measures one node without peers.
func local(b *bench) error {
	on := ", " + b.Store + " store"
	steps := []struct {
		what string
		work func(ctx context.Context, r *replica, keys []ds.Key) (time.Duration, error)
	}{
		{"put of new keys, one by one", putNew},
		{"put over existing keys, one by one", putOver},
		{"put of new keys, batches of 1,000", putThousands},
		{"get", getAll},
	}
	for _, s := range steps {
		err := b.measure(s.what+on, "per s", b.Runs, func(ctx context.Context) (float64, error) {
			r, stop, err := b.alone()
			if err != nil {
				return 0, err
			}
			defer stop()
			took, err := s.work(ctx, r, randomKeys(b.Keys))
			return float64(b.Keys) / took.Seconds(), err
		})
		if err != nil {
			return err
		}
	}
	if b.Store != "map" {
		return nil
	}
	return b.measure("memory beyond key and value, per entry"+on, "bytes", b.Runs, b.memory)
}

// alone starts one node on the chosen store.
func (b *bench) alone() (*replica, func(), error) {
	if b.Store == "map" {
		r, err := newReplica(b, nil)
		if err != nil {
			return nil, nil, err
		}
		return r, func() { r.close() }, nil
	}
	dir, err := os.MkdirTemp("", "rivals-*")
	if err != nil {
		return nil, nil, err
	}
	store, err := pebbleds.NewDatastore(dir)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	r, err := newReplica(b, store)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close(), os.RemoveAll(dir))
	}
	return r, func() { r.close(); store.Close(); os.RemoveAll(dir) }, nil
}

func putNew(ctx context.Context, r *replica, keys []ds.Key) (time.Duration, error) {
	v, start := randomValue(), time.Now()
	for _, k := range keys {
		if err := r.Put(ctx, k, v); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

func putOver(ctx context.Context, r *replica, keys []ds.Key) (time.Duration, error) {
	if err := r.putBatches(ctx, keys, randomValue(), 1000); err != nil {
		return 0, err
	}
	return putNew(ctx, r, keys)
}

func putThousands(ctx context.Context, r *replica, keys []ds.Key) (time.Duration, error) {
	v, start := randomValue(), time.Now()
	err := r.putBatches(ctx, keys, v, 1000)
	return time.Since(start), err
}

func getAll(ctx context.Context, r *replica, keys []ds.Key) (time.Duration, error) {
	if err := r.putBatches(ctx, keys, randomValue(), 1000); err != nil {
		return 0, err
	}
	start := time.Now()
	for _, k := range keys {
		if _, err := r.Get(ctx, k); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// memory is what the heap grows by per entry, less the 100 bytes of the value and the 16 bytes that the key stands for.
func (b *bench) memory(ctx context.Context) (float64, error) {
	r, stop, err := b.alone()
	if err != nil {
		return 0, err
	}
	defer stop()
	before := heap()
	for left := b.Keys; left > 0; left -= 1000 {
		if err := putDistinct(ctx, r, min(left, 1000)); err != nil {
			return 0, err
		}
	}
	return float64(heap()-before)/float64(b.Keys) - 116, nil
}

// putDistinct writes one batch of n new keys, each with a value of its own.
func putDistinct(ctx context.Context, r *replica, n int) error {
	batch, err := r.Batch(ctx)
	if err != nil {
		return err
	}
	for _, k := range randomKeys(n) {
		if err := batch.Put(ctx, k, randomValue()); err != nil {
			return err
		}
	}
	return batch.Commit(ctx)
}

// heap is the number of live bytes after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // the first one may have only finished a running one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
