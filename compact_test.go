package minikv_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// What was overwritten and deleted does not stay on disk.
func TestCompactGivesSpaceBack(t *testing.T) {
	ctx := within(t)
	n := openIn(t, t.TempDir(), minikv.Config{Durability: minikv.DurabilityAsync})
	r := openRegistry(t, n, "r")
	for range 20 {
		b := r.NewBatch()
		for i := range 1000 {
			b.Put(fmt.Sprint(i), bytes.Repeat([]byte("0123456789"), 100))
		}
		_, err := b.Commit(ctx)
		require.NoError(t, err)
	}
	require.NoError(t, n.Flush(ctx))
	full := n.Metrics().DiskBytes
	require.NoError(t, n.Compact(ctx))
	compacted := n.Metrics().DiskBytes
	t.Logf("%d bytes, compacted %d", full, compacted)
	require.Less(t, compacted, full/4)
	require.Zero(t, r.Metrics().DiskBytes, "a registry does not know")
}

func TestCompactErrors(t *testing.T) {
	ctx := context.Background()
	require.ErrorIs(t, openNode(t, minikv.Config{}).Compact(ctx), minikv.ErrInvalid)
	n := openIn(t, t.TempDir(), minikv.Config{})
	ended, end := context.WithCancel(ctx)
	end()
	require.ErrorIs(t, n.Compact(ended), context.Canceled)
	require.NoError(t, n.Close())
	require.ErrorIs(t, n.Compact(ctx), minikv.ErrClosed)
	require.Zero(t, n.Metrics().DiskBytes)
}
