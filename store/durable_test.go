package store_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
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
