package store_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// A snapshot goes on showing a key that was taken out while the filter was
// being built, before the builder had come to it.
func TestASnapshotShowsWhatGoesWhileTheFilterIsBuilt(t *testing.T) {
	fs := vfs.NewCrashableMem()
	open := func() (*store.Store, *lwwmap.Map) {
		s, err := store.Open("data", store.Options{FS: fs})
		require.NoError(t, err)
		m, err := s.Map("registry", nil, nil)
		require.NoError(t, err)
		return s, m
	}
	s, m := open()
	const keys = 100_000 // enough to keep the builder busy for a while
	last := fmt.Sprintf("key %06d", keys)
	for i := 1; i <= keys; i++ {
		e := lwwmap.Entry{Kind: lwwmap.Data, Key: fmt.Sprintf("key %06d", i), Dot: crdt.Dot{Actor: 1, Seq: uint64(i)}, Stamp: hlc.Timestamp(i)}
		if e.Key == last {
			e.Expires = 1
		}
		m.Apply(e)
	}
	require.NoError(t, m.Commit())
	require.NoError(t, s.Flush())
	crashed := fs.CrashClone(vfs.CrashCloneCfg{}) // no filter is kept
	require.NoError(t, s.Close())
	fs = crashed

	s, m = open()
	snap := m.Snapshot()
	require.Len(t, m.Expire(1, 1), 1)
	require.NoError(t, m.Commit())
	s.WaitForFilters()
	require.True(t, m.Get(lwwmap.Data, last).IsZero())
	require.False(t, snap.Get(lwwmap.Data, last).IsZero())
	require.NoError(t, snap.Err())
	snap.Close()
	require.NoError(t, s.Close())
}
