package minikv_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestBatch(t *testing.T) {
	r := offline(t)
	put(t, r, "old", "v")
	b := r.NewBatch()
	v := []byte("1")
	b.Put("a", v)
	v[0] = 'X'
	b.Put("b", []byte("2"), minikv.TTL(time.Hour))
	b.Put("twice", []byte("first"))
	b.Put("twice", []byte("second"))
	b.Put("gone", nil)
	b.Delete("gone")
	b.Delete("old")
	b.Delete("never there")
	require.Equal(t, 8, b.Len())
	require.Empty(t, value(t, r, "a"), "nothing before Commit")
	rev, err := b.Commit(ctx)
	require.NoError(t, err)
	require.False(t, rev.IsZero())
	require.Zero(t, b.Len())
	require.Equal(t, []string{"a", "b", "twice"}, keysOf(t, r, ""))
	require.Equal(t, "1", value(t, r, "a"))
	require.Equal(t, "second", value(t, r, "twice"))
	_, ok, err := r.TTL(ctx, "b")
	require.NoError(t, err)
	require.True(t, ok)

	rev, err = b.Commit(ctx)
	require.NoError(t, err)
	require.True(t, rev.IsZero(), "empty again")
	b.Put("again", nil)
	_, err = b.Commit(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "again", "b", "twice"}, keysOf(t, r, ""))
}

func TestBatchIsAllOrNothing(t *testing.T) {
	r := offline(t)
	l := tryLock(t, r, "held")
	b := r.NewBatch()
	b.Put("a", nil)
	b.Put("held", nil)
	b.Put("z", nil)
	_, err := b.Commit(ctx)
	require.ErrorIs(t, err, minikv.ErrLocked)
	require.Empty(t, keysOf(t, r, ""))
	require.Equal(t, 3, b.Len(), "it stays for another try")
	require.NoError(t, l.Unlock(ctx))
	_, err = b.Commit(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "held", "z"}, keysOf(t, r, ""))
}

func TestBatchWatchesSeeAllOfIt(t *testing.T) {
	r := offline(t)
	f := follow(t, r, "")
	f.expect("synced")
	b := r.NewBatch()
	for i := range 3 {
		b.Put(fmt.Sprint(i), nil)
	}
	_, err := b.Commit(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, r.Metrics().WatchBacklog)
	f.expect("put 0=", "put 1=", "put 2=")
}

func TestBatchLimits(t *testing.T) {
	r := offline(t)
	b := r.NewBatch()
	for range minikv.MaxBatchLen {
		b.Put("k", nil)
	}
	_, err := b.Commit(ctx)
	require.NoError(t, err)
	for range minikv.MaxBatchLen + 1 {
		b.Put("k", nil)
	}
	_, err = b.Commit(ctx)
	require.ErrorIs(t, err, minikv.ErrTooLarge)
	require.ErrorContains(t, err, "commit it in parts")
	b.Reset()
	for i := range 65 {
		b.Put(fmt.Sprint(i), make([]byte, 1<<20))
	}
	_, err = b.Commit(ctx)
	require.ErrorIs(t, err, minikv.ErrTooLarge)
	b.Reset()
	rev, err := b.Commit(ctx)
	require.NoError(t, err)
	require.True(t, rev.IsZero())
}

func TestAbandonedBatchLeavesNothing(t *testing.T) {
	r := offline(t)
	r.NewBatch().Put("abandoned", nil)
	b := r.NewBatch()
	b.Put("kept", nil)
	_, err := b.Commit(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"kept"}, keysOf(t, r, ""))
}
