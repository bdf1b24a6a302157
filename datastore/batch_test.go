package datastore_test

import (
	"context"
	"fmt"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// A batch larger than what minikv applies in one step is committed in several.
func TestBatchWithoutLimits(t *testing.T) {
	t.Run("writes", func(t *testing.T) {
		d := open(t, "", minikv.Config{})
		b, err := d.Batch(ctx)
		require.NoError(t, err)
		for i := range minikv.MaxBatchLen + 10 {
			require.NoError(t, b.Put(ctx, ds.RawKey(fmt.Sprintf("/%d", i)), nil))
		}
		require.NoError(t, b.Delete(ctx, ds.RawKey("/0")))
		require.NoError(t, b.Commit(ctx))
		n, err := d.Registry().Len(ctx)
		require.NoError(t, err)
		require.Equal(t, minikv.MaxBatchLen+9, n)
	})
	t.Run("bytes", func(t *testing.T) {
		d := open(t, "", minikv.Config{MaxValueLen: minikv.MaxValueLen})
		b, err := d.Batch(ctx)
		require.NoError(t, err)
		value := make([]byte, minikv.MaxValueLen)
		for i := range 5 { // four and their keys are more than one step takes
			require.NoError(t, b.Put(ctx, ds.RawKey(fmt.Sprintf("/%d", i)), value))
		}
		require.NoError(t, b.Commit(ctx))
		for i := range 5 {
			size, err := d.GetSize(ctx, ds.RawKey(fmt.Sprintf("/%d", i)))
			require.NoError(t, err)
			require.Equal(t, len(value), size)
		}
	})
}

func TestAFailedBatchCanBeCommittedAgain(t *testing.T) {
	d := open(t, "", minikv.Config{})
	lease, err := d.Registry().Lock(ctx, "/locked")
	require.NoError(t, err)
	b, err := d.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, b.Put(ctx, ds.RawKey("/free"), []byte("v")))
	require.NoError(t, b.Put(ctx, ds.RawKey("/locked"), []byte("v")))
	require.ErrorIs(t, b.Commit(ctx), minikv.ErrLocked)
	has, err := d.Has(ctx, ds.RawKey("/free"))
	require.NoError(t, err)
	require.False(t, has, "all or nothing")
	require.NoError(t, lease.Unlock(ctx))
	require.NoError(t, b.Commit(ctx))
	for _, key := range []string{"/free", "/locked"} {
		has, err := d.Has(ctx, ds.RawKey(key))
		require.NoError(t, err)
		require.True(t, has)
	}
}

func TestBatchEndsWithItsContext(t *testing.T) {
	d := open(t, "", minikv.Config{})
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err := d.Batch(ended)
	require.ErrorIs(t, err, context.Canceled)
	b, err := d.Batch(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, b.Put(ended, ds.RawKey("/k"), nil), context.Canceled)
	require.ErrorIs(t, b.Delete(ended, ds.RawKey("/k")), context.Canceled)
	require.NoError(t, b.Commit(ctx), "nothing was added")
	require.NoError(t, b.Put(ctx, ds.RawKey("/k"), nil))
	require.ErrorIs(t, b.Commit(ended), context.Canceled)
	require.NoError(t, b.Commit(ctx))
}
