package store_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

func sizeOf(t *testing.T, dir string) (n int64) {
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		if info, err := f.Info(); err == nil { // or it has gone since
			n += info.Size()
		}
	}
	return n
}

// What was overwritten, deleted and forgotten leaves no more than a tenth of what an empty store has:
// the context and the horizons.
func TestSpaceComesBack(t *testing.T) {
	rounds := 100
	if *all {
		rounds = 1000
	}
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{})
	require.NoError(t, err)
	m, err := s.Map("registry", storetest.DigestKey, nil)
	require.NoError(t, err)
	lock := new(sync.Mutex)
	s.Gather("registry", lock)
	require.NoError(t, s.Compact(t.Context()))
	empty := sizeOf(t, dir)

	seq := uint64(0)
	round := func(deleted bool) {
		lock.Lock()
		defer lock.Unlock()
		for k := range 1000 {
			seq++
			e := lwwmap.Entry{Kind: lwwmap.Data, Key: fmt.Sprintf("key%d", k), Dot: dot(1, seq), Stamp: hlc.Timestamp(seq), Deleted: deleted}
			if !deleted {
				e.Value = fmt.Appendf(nil, "%0100d", seq)
			}
			_, _, ok := m.Write(e)
			require.True(t, ok)
		}
		require.NoError(t, m.Commit())
	}
	for range rounds {
		round(false)
	}
	require.NoError(t, s.Flush())
	used := sizeOf(t, dir)
	round(true)
	lock.Lock()
	require.Equal(t, 1000, m.Collect(hlc.Timestamp(seq), 1000))
	require.NoError(t, m.Commit())
	lock.Unlock()
	require.NoError(t, s.Compact(t.Context()))
	after := sizeOf(t, dir)
	t.Logf("%d writes: %d bytes, %d after compaction; %d empty; %+v", seq, used, after, empty, s.Stats())
	require.LessOrEqual(t, after, empty+empty/10)
	require.Equal(t, after, s.Stats().Disk)

	round(false)
	want := storetest.Rows(m, m.Context())
	require.NoError(t, s.Close())
	require.Zero(t, s.Stats())
	s, err = store.Open(dir, store.Options{})
	require.NoError(t, err)
	again, err := s.Map("registry", storetest.DigestKey, nil)
	require.NoError(t, err)
	require.Equal(t, want, storetest.Rows(again, again.Context()))
	require.NoError(t, s.Close())
}

// Compaction changes nothing that can be read, and a context that ends does no harm.
func TestCompactionChangesNoAnswer(t *testing.T) {
	fs := vfs.NewMem()
	w := newWorkload(3, fs)
	require.NoError(t, w.run(200))
	for range 20 {
		for name := range w.disks {
			require.NoError(t, w.commit(name))
			require.NoError(t, w.store.Release(name))
			delete(w.disks, name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, w.store.Compact(ctx), context.Canceled)
		require.NoError(t, w.store.Compact(t.Context()))
		state, err := stateOf(w.store)
		require.NoError(t, err)
		require.Equal(t, w.twin.state(), state)
		for range 20 {
			require.NoError(t, w.step())
		}
	}
	for name := range w.disks {
		require.NoError(t, w.commit(name))
	}
	require.NoError(t, w.store.Close())
	_, err := w.ledger.verify(fs, w.ledger.issued(), w.ledger.issued())
	require.NoError(t, err)
}
