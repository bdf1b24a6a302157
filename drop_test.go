package minikv_test

import (
	"context"
	"runtime"
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

// A drop that has begun is finished, also where the node is closed meanwhile.
func TestCloseWaitsForADrop(t *testing.T) {
	for range 20 {
		ctx, dir := context.Background(), t.TempDir()
		n := openIn(t, dir, minikv.Config{})
		put(t, openRegistry(t, n, "r"), "k", "v")
		done := make(chan error, 1)
		go func() { done <- n.DropRegistry(ctx, "r") }()
		for open := true; open; _, open = n.Lookup("r") {
			runtime.Gosched()
		}
		require.NoError(t, n.Close())
		require.NoError(t, <-done)
		require.Empty(t, openIn(t, dir, minikv.Config{}).Kept())
	}
}
