package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/minikv/minikv"
)

// durable measures a node with a directory beside the bare engine on the same disk.
func durable(b *bench) error {
	alone := figure{what: "put, synced, one goroutine", unit: "/s", bar: ratioAtLeast(0.9), note: "floor: a synced set of key and value on bare Pebble"}
	shared := figure{what: fmt.Sprintf("put, synced, %d goroutines", writersAtOnce), unit: "/s", bar: ratioAtLeast(0.7), note: "the same"}
	batches := figure{what: "new keys in synced batches of 1,000", unit: "keys/s", bar: ratioAtLeast(0.5), note: "floor: batches of the same rows, entry and index"}
	absolute := figure{what: "the same, by itself", unit: "keys/s", bar: atLeast(120_000)}
	get := figure{what: "get, warm", unit: "/s", bar: ratioAtLeast(0.7), note: "floor: a get of the bare engine, copied"}
	disk := figure{what: "bytes on disk per 100-byte entry, after compaction", unit: "bytes", bar: atMost(220)}
	open := figure{what: "opening after a clean close", unit: "s", bar: atMost(2)}
	keys := makeKeys(1, b.Keys)
	err := b.repeat(func() error {
		if err := b.syncedPuts(&alone, &shared); err != nil {
			return err
		}
		ours, err := b.durableOurs(keys)
		if err != nil {
			return err
		}
		floor, err := b.durableFloor(keys)
		if err != nil {
			return err
		}
		batches.addPair(ours.batches, floor.batches)
		absolute.add(ours.batches)
		get.addPair(ours.get, floor.get)
		disk.add(float64(ours.bytes) / float64(b.Keys))
		open.add(ours.open.Seconds())
		return nil
	})
	b.table.add(&alone, &shared, &batches, &absolute, &get, &open, &disk)
	return err
}

// durableRates are what one kind of store did.
type durableRates struct {
	batches, get float64
	bytes        int64
	open         time.Duration
}

func (b *bench) durableOurs(keys []string) (r durableRates, err error) {
	dir, err := os.MkdirTemp("", "minikv-bench")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	n, reg, err := openDurable(dir)
	if err != nil {
		return r, err
	}
	defer func() { n.Close() }()
	stop := b.profile("durable-writes")
	values := newValuePool()
	batch := reg.NewBatch()
	if r.batches, err = timed(keys, func(i int, key string) error {
		if batch.Put(key, values.at(i)); batch.Len() == 1000 || i == len(keys)-1 {
			_, err := batch.Commit(b.ctx)
			return err
		}
		return nil
	}); err != nil {
		return r, err
	}
	stop(&err)
	if err = n.Close(); err != nil {
		return r, err
	}
	began := time.Now()
	if n, reg, err = openDurable(dir); err != nil {
		return r, err
	}
	r.open = time.Since(began)
	if err = n.Compact(b.ctx); err != nil {
		return r, err
	}
	defer b.profile("durable-gets")(&err)
	order := shuffled(keys, 2)
	get := func(_ int, key string) error {
		e, err := reg.Get(b.ctx, key)
		if err == nil && len(e.Value) != valueLen {
			err = fmt.Errorf("get: %d bytes", len(e.Value))
		}
		return err
	}
	if _, err = timed(order, get); err != nil { // warms
		return r, err
	}
	if r.get, err = timed(order, get); err != nil {
		return r, err
	}
	if err = n.Close(); err != nil {
		return r, err
	}
	r.bytes, err = bytesIn(dir)
	return r, err
}

// durableCache is given to both, and holds what the gets read.
const durableCache = 512 << 20

func openDurable(dir string) (*minikv.Node, *minikv.Registry, error) {
	n, err := minikv.Open(context.Background(), dir, minikv.Config{CacheBytes: durableCache})
	if err != nil {
		return nil, nil, err
	}
	reg, err := n.Registry(context.Background(), "bench", minikv.Public())
	return n, reg, err
}

// openBare opens the engine with the options that a node gives it.
func openBare(dir string) (*pebble.DB, error) {
	cache := pebble.NewCache(durableCache)
	defer cache.Unref() // the engine has its own reference
	o := &pebble.Options{FormatMajorVersion: pebble.FormatValueSeparation, Cache: cache, MemTableSize: 32 << 20, MemTableStopWritesThreshold: 4, L0CompactionThreshold: 8, Logger: quiet{}}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return pebble.Open(dir, o)
}

// durableFloor does with the bare engine what a node does with its own: the same rows, without their meaning.
func (b *bench) durableFloor(keys []string) (r durableRates, err error) {
	dir, err := os.MkdirTemp("", "minikv-bench")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	db, err := openBare(dir)
	if err != nil {
		return r, err
	}
	defer db.Close()
	values := newValuePool()
	batch := db.NewBatch()
	seq := uint64(0)
	if r.batches, err = timed(keys, func(i int, key string) error {
		seq++
		if err := batch.Set(append([]byte("e"), key...), values.at(i), nil); err != nil {
			return err
		}
		if err := batch.Set(binary.BigEndian.AppendUint64([]byte("d actor--"), seq), []byte(key), nil); err != nil {
			return err
		}
		if seq%1000 != 0 && i != len(keys)-1 {
			return nil
		}
		err := batch.Commit(pebble.Sync)
		batch = db.NewBatch()
		return err
	}); err != nil {
		return r, err
	}
	if err = db.Compact(b.ctx, []byte{0}, []byte{255}, true); err != nil {
		return r, err
	}
	order := shuffled(keys, 2)
	get := func(_ int, key string) error {
		v, closer, err := db.Get(append([]byte("e"), key...))
		if err != nil {
			return err
		}
		sink(append([]byte(nil), v...))
		return closer.Close()
	}
	if _, err = timed(order, get); err != nil {
		return r, err
	}
	r.get, err = timed(order, get)
	return r, err
}

// quiet drops what the engine logs.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// timed returns the rate of one goroutine.
func timed(keys []string, do func(i int, key string) error) (float64, error) {
	began := time.Now()
	for i, k := range keys {
		if err := do(i, k); err != nil {
			return 0, err
		}
	}
	return float64(len(keys)) / time.Since(began).Seconds(), nil
}

func bytesIn(dir string) (sum int64, err error) {
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
