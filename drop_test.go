package minikv_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// Whoever opens a registry while it is being dropped gets a new one when it has gone, not the old one on its way out.
func TestDroppedRegistryDoesNotComeBack(t *testing.T) {
	n, err := minikv.Open(within(t), t.TempDir(), minikv.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, n.Close()) }()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	open := func() *minikv.Registry {
		r, err := n.Registry(context.Background(), "test", minikv.Public())
		require.NoError(t, err)
		return r
	}
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				open()
			}
		})
	}
	for range 60 {
		put(t, open(), "k", "v")
		require.NoError(t, n.DropRegistry(context.Background(), "test"))
		require.Empty(t, value(t, open(), "k"))
		put(t, open(), "works", "v")
	}
}
