package main

import (
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Counts of synced writes: an fsync each, so fewer than keys.
const (
	syncedAlone   = 2_000
	syncedShared  = 40_000
	writersAtOnce = 64

	// turns is how often a node and its floor write in turn: an fsync takes now half
	// and now twice its time, for seconds, and so both meet the same disk.
	turns = 20
)

// syncedPuts measures single synced puts of a node and of the bare engine, turn by turn.
func (b *bench) syncedPuts(alone, shared *figure) (err error) {
	dir, err := os.MkdirTemp("", "minikv-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, reg, err := openDurable(dir + "/node")
	if err != nil {
		return err
	}
	defer n.Close()
	db, err := openBare(dir + "/floor")
	if err != nil {
		return err
	}
	defer db.Close()
	values := newValuePool()
	ours := func(i int, key string) error {
		_, err := reg.Put(b.ctx, key, values.at(i))
		return err
	}
	floor := func(i int, key string) error { return db.Set([]byte(key), values.at(i), pebble.Sync) }
	defer b.profile("synced-puts")(&err)
	if err := inTurns(alone, 1, makeKeys(2, syncedAlone), ours, floor); err != nil {
		return err
	}
	return inTurns(shared, writersAtOnce, makeKeys(3, syncedShared), ours, floor)
}

// inTurns adds the rates at which two stores take the keys from some writers.
func inTurns(f *figure, writers int, keys []string, ours, floor func(i int, key string) error) error {
	var a, b time.Duration
	part := len(keys) / turns
	for turn := range turns {
		some := keys[turn*part : (turn+1)*part]
		took, err := timedBy(writers, some, ours)
		if err != nil {
			return err
		}
		a += took
		if took, err = timedBy(writers, some, floor); err != nil {
			return err
		}
		b += took
	}
	total := float64(turns * part)
	f.addPair(total/a.Seconds(), total/b.Seconds())
	return nil
}

// timedBy returns how long several goroutines took together.
func timedBy(writers int, keys []string, do func(i int, key string) error) (time.Duration, error) {
	began, errs := time.Now(), make(chan error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < len(keys); i += writers {
				if err := do(i, keys[i]); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return time.Since(began), nil
	}
}
