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
	parts         map[string]int
	last          string // the operation
}

// A store stopped at any operation on its files, with any part of what was not
// synced, shows all that was acknowledged and nothing that was not written.
func TestCampaignCrash(t *testing.T) {
	t.Run("each step at once", func(t *testing.T) { campaignCrash(t, false) })
	t.Run("steps gather", func(t *testing.T) { campaignCrash(t, true) })
}

func campaignCrash(t *testing.T, gather bool) {
	every := 12
	if *all {
		every = 1
	}
	disk := crashable{vfs.NewCrashableMem()}
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
			c := crash{op: ops, kept: kept, last: fmt.Sprint(op.Kind, " ", op.Path)}
			c.acked, c.parts = w.ledger.acks()
			c.fs = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng})
			c.issued = w.ledger.issued()
			crashes <- c
		}
		return nil
	})
	w = newWorkload(*seed, errorfs.Wrap(disk, stop))
	w.ledger.gather = gather

	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for c := range crashes {
				n, err := w.ledger.verifyParts(c.fs, c.acked, c.parts, c.issued)
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
	require.Greater(t, lost, 10)
}
