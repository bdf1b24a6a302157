package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// crash is what a crash at one operation leaves.
type crash struct {
	fs            *vfs.MemFS
	op, kept      int
	acked, issued int
	last          string // the operation
}

// A store stopped at any operation on its files, with any part of what was not
// synced, shows all that was acknowledged and nothing that was not written.
func TestCampaignCrash(t *testing.T) {
	every := 12
	if *all {
		every = 1
	}
	disk := vfs.NewCrashableMem()
	var w *workload
	var mu, counts sync.Mutex
	var ops, reopened, lost int
	rng := rand.New(rand.NewPCG(*seed, 2))
	crashes := make(chan crash, 8)
	stop := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		ops++
		for _, kept := range []int{0, 25, 50, 100} {
			if rng.IntN(every) != 0 {
				continue
			}
			c := crash{op: ops, kept: kept, acked: int(w.ledger.acked.Load()), last: fmt.Sprint(op.Kind, " ", op.Path)}
			c.fs = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng})
			c.issued = w.ledger.issued()
			crashes <- c
		}
		return nil
	})
	w = newWorkload(*seed, errorfs.Wrap(disk, stop))

	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for c := range crashes {
				n, err := w.ledger.verify(c.fs, c.acked, c.issued)
				if err != nil {
					t.Errorf("stopped at operation %d (%s) with %d %% kept: %v", c.op, c.last, c.kept, err)
				}
				counts.Lock()
				reopened++
				lost += c.issued - n
				counts.Unlock()
			}
		})
	}
	err := w.run(200)
	if err == nil {
		err = w.store.Close()
	}
	close(crashes)
	wg.Wait()
	require.NoError(t, err)
	t.Logf("seed %d: %d operations, %d stops, %d events, %d of them not acknowledged and gone", *seed, ops, reopened, w.ledger.issued(), lost)
	require.Greater(t, reopened, 100)
	require.Greater(t, lost, 100)
}
