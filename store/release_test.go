package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

// A step that never ended leaves nothing, whatever ended before it and had not
// gone to the engine yet.
func TestAReleasedMapKeepsWholeStepsOnly(t *testing.T) {
	fs := vfs.NewMem()
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	m, err := s.Map("registry", storetest.DigestKey, nil)
	require.NoError(t, err)
	s.Gather("registry", new(sync.Mutex))
	twin := lwwmap.New(storetest.DigestKey)
	put := func(m *lwwmap.Map, key string, seq uint64) {
		m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: key, Dot: dot(1, seq), Stamp: 1})
	}
	for seq := range uint64(3) {
		put(twin, "whole", seq+1)
		put(m, "whole", seq+1)
		require.NoError(t, m.Commit())
	}
	put(m, "whole", 4)
	put(m, "half", 5)
	require.Equal(t, 2, len(storetest.List(storetest.Everything, func(fn func(lwwmap.Record) bool) { m.Ascend(lwwmap.Data, "", "", fn) })))
	require.NoError(t, s.Release("registry"))
	require.NoError(t, s.Close())

	r := check(t, fs, false)
	require.True(t, r.OK(), "%+v", r)
	s, err = store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	m, err = s.Map("registry", storetest.DigestKey, nil)
	require.NoError(t, err)
	require.Equal(t, storetest.Rows(twin, twin.Context()), storetest.Rows(m, m.Context()))
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 3}}, m.Context().Of(1))
	require.NoError(t, s.Close())
}

// One who waits for nothing does not wait.
func TestWaitingForNothing(t *testing.T) {
	s, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	require.NoError(t, s.Wait(0))
	require.NoError(t, s.Close())
}

// Steps that had gathered go with their registry.
func TestADroppedRegistryLeavesNoRows(t *testing.T) {
	fs := vfs.NewMem()
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	m, err := s.Map("registry", storetest.DigestKey, nil)
	require.NoError(t, err)
	s.Gather("registry", new(sync.Mutex))
	m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Dot: dot(1, 1), Stamp: 1})
	require.NoError(t, m.Commit())
	require.NoError(t, s.Drop("registry"))
	require.NoError(t, s.Flush())
	require.NoError(t, s.Close())
	r := check(t, fs, false)
	require.True(t, r.OK(), "%+v", r)
}

// A map is released while others wait, and write what has gathered in all maps.
func TestAReleaseBesideWaiters(t *testing.T) {
	fs := vfs.NewMem()
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	done := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					require.NoError(t, s.Flush())
				}
			}
		})
	}
	twin := lwwmap.New(storetest.DigestKey)
	for seq := range uint64(500) {
		m, err := s.Map("registry", storetest.DigestKey, nil)
		require.NoError(t, err)
		lock := new(sync.Mutex)
		s.Gather("registry", lock)
		lock.Lock()
		for _, m := range []*lwwmap.Map{m, twin} {
			m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: fmt.Sprint(seq), Dot: dot(1, seq+1), Stamp: hlc.Timestamp(seq + 1)})
		}
		require.NoError(t, m.Commit())
		lock.Unlock()
		require.NoError(t, s.Release("registry"))
	}
	close(done)
	others.Wait()
	m, err := s.Map("registry", storetest.DigestKey, nil)
	require.NoError(t, err)
	require.Equal(t, storetest.Rows(twin, twin.Context()), storetest.Rows(m, m.Context()))
	require.NoError(t, s.Close())
	r := check(t, fs, false)
	require.True(t, r.OK(), "%+v", r)
}
