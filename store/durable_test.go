package store_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// A step too large to gather with others is waited for like any other.
func TestALargeStepIsWaitedFor(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	m := mapOf(t, s)
	s.Gather("registry", new(sync.Mutex))
	require.NoError(t, s.Wait(0))
	m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: "large", Value: []byte(strings.Repeat("v", 2<<20)), Dot: dot(1, 1), Stamp: 1})
	require.NoError(t, m.Commit())
	require.NoError(t, s.Wait(0))
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, s.Close())

	s, err = store.Open("data", store.Options{FS: crashed})
	require.NoError(t, err)
	require.False(t, mapOf(t, s).Get(lwwmap.Data, "large").IsZero())
	require.NoError(t, s.Close())
}

// A step that its owner hands to the engine while an fsync is under way is no part of that.
func TestAStepHandedOverDuringAnFsyncIsWaitedFor(t *testing.T) {
	fs := vfs.NewCrashableMem()
	armed, reached, release := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	slow := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			select {
			case <-armed:
				close(reached)
				<-release
			default:
			}
		}
		return nil
	}))
	s, err := store.Open("data", store.Options{FS: slow})
	require.NoError(t, err)
	m, lock := mapOf(t, s), new(sync.Mutex)
	s.Gather("registry", lock)
	step := func(key string, seq uint64, then func()) {
		lock.Lock()
		defer lock.Unlock()
		m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: key, Dot: dot(1, seq), Stamp: 1})
		require.NoError(t, m.Commit())
		then()
	}
	armed <- struct{}{}
	step("first", 1, func() {})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- s.Wait(0) }()
	<-reached
	step("second", 2, func() { m.Snapshot().Close() }) // which reads what the engine has
	go func() { second <- s.Wait(0) }()
	for range 1000 {
		runtime.Gosched() // until it waits
	}
	close(release)
	require.NoError(t, <-second)
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, <-first)
	require.NoError(t, s.Close())

	s, err = store.Open("data", store.Options{FS: crashed})
	require.NoError(t, err)
	require.False(t, mapOf(t, s).Get(lwwmap.Data, "second").IsZero())
	require.NoError(t, s.Close())
}
