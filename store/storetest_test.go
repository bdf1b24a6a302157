package store_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

func TestTheTableInMemory(t *testing.T) {
	c := storetest.Run(t, func(*rapid.T) storetest.Engine {
		m := lwwmap.New(storetest.DigestKey)
		return storetest.Engine{Open: func() (*lwwmap.Map, error) { return m, nil }}
	})
	require.Greater(t, c.Forged, 100)
}

// onDisk is a store on a file system that can crash, with random options.
func onDisk(t *rapid.T) storetest.Engine {
	var s *store.Store
	fs := vfs.NewCrashableMem()
	options := func() store.Options {
		return store.FewUnsent(store.Tuned(store.Options{FS: fs, Cache: 16 << 10}, foldAfter(t), tune(t)), rapid.SampledFrom([]int{0, 1000}).Draw(t, "unsent"))
	}
	o := options()
	close := func() error { return s.Close() }
	lock, gather := new(sync.Mutex), rapid.Bool().Draw(t, "gather")
	return storetest.Engine{
		Lock: lock,
		Open: func() (m *lwwmap.Map, err error) {
			o.FS = fs
			if s, err = store.Open("data", o); err != nil {
				return nil, err
			}
			if m, err = s.Map("registry", storetest.DigestKey, nil); gather {
				s.Gather("registry", lock)
			}
			return m, err
		},
		Flush: func() error { return s.Flush() },
		Close: close,
		Crash: func() error {
			kept := rapid.SampledFrom([]int{0, 25, 50, 100}).Draw(t, "kept")
			rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng})
			err := s.Close() // too late
			fs = after
			return err
		},
		End: func() { require.NoError(t, close()) },
	}
}

func foldAfter(t *rapid.T) int { return rapid.SampledFrom([]int{1, 7, 100, 0}).Draw(t, "fold after") }

func tune(t *rapid.T) func(*pebble.Options) {
	memTable := rapid.SampledFrom([]uint64{8 << 10, 64 << 10, 1 << 20}).Draw(t, "memory table")
	l0 := rapid.IntRange(1, 4).Draw(t, "files of level 0")
	block := rapid.SampledFrom([]int{64, 4096}).Draw(t, "block")
	return func(o *pebble.Options) {
		o.MemTableSize, o.L0CompactionThreshold = memTable, l0
		for i := range o.Levels {
			o.Levels[i].BlockSize = block
		}
	}
}

func TestTheTableOnDisk(t *testing.T) {
	c := storetest.Run(t, onDisk)
	require.Greater(t, c.Forged, 50)
	require.Greater(t, c.Crashes, 20)
	require.Greater(t, c.Reopened, 20)
	require.Greater(t, c.Lost, 10)
}
