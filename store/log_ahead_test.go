package store_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// writeSynced makes synced writes of one value each.
func writeSynced(t *testing.T, s *store.Store, m *lwwmap.Map, from, to uint64, value []byte) {
	for seq := from; seq < to; seq++ {
		m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: "key", Value: value, Dot: dot(1, seq), Stamp: hlc.Timestamp(seq)})
		require.NoError(t, m.Commit())
		require.NoError(t, s.Flush())
	}
}

// Small synced writes seldom make the log longer, for a longer file costs more to sync; large ones are written once.
func TestALogIsWrittenAhead(t *testing.T) {
	lengths := func(value, writes int) (changes int, fs *vfs.MemFS) {
		fs = vfs.NewCrashableMem()
		s, err := store.Open("data", store.Options{FS: fs})
		require.NoError(t, err)
		m := mapOf(t, s)
		last := 0
		for seq := range uint64(writes) {
			writeSynced(t, s, m, seq+1, seq+2, make([]byte, value))
			if now := len(readImage(t, fs, "data")[lastLog(readImage(t, fs, "data"))]); now != last {
				last = now
				changes++
			}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(*seed, 1))})
		require.NoError(t, s.Close())
		return changes, crashed
	}
	changes, crashed := lengths(100, 400)
	require.Less(t, changes, 12, "400 writes of 100 bytes")
	require.Equal(t, uint64(400), seenAfter(t, crashed))
	changes, crashed = lengths(100<<10, 20)
	require.Greater(t, changes, 15, "20 writes of 100 KiB")
	require.Equal(t, uint64(20), seenAfter(t, crashed))
}

// seenAfter opens a store and returns the last write that it has.
func seenAfter(t *testing.T, fs vfs.FS) uint64 {
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	seen := mapOf(t, s).Context().Max(1)
	require.NoError(t, s.Close())
	return seen
}

// A disk that has no room for zeros has room for what matters, as long as it has.
func TestZerosThatCannotBeWrittenAreNotMissed(t *testing.T) {
	var refused atomic.Int32
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt && strings.HasSuffix(op.Path, ".log") {
			refused.Add(1)
			return errorfs.ErrInjected
		}
		return nil
	}))
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	writeSynced(t, s, mapOf(t, s), 1, 100, []byte("value"))
	require.EqualValues(t, 1, refused.Load(), "it is tried once for each log")
	require.NoError(t, s.Close())
	require.Equal(t, uint64(99), seenAfter(t, fs))
}

// What was written ahead goes when the store is closed.
func TestAClosedLogIsNoLongerThanWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{})
	require.NoError(t, err)
	writeSynced(t, s, mapOf(t, s), 1, 100, []byte("value"))
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	size := func() int64 {
		info, err := os.Stat(logs[0])
		require.NoError(t, err)
		return info.Size()
	}
	open := size()
	require.NoError(t, s.Close())
	b, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	require.Less(t, size(), open-8<<10)
	require.InDelta(t, used(b), size(), 16, "but for the end of the last row")
}
