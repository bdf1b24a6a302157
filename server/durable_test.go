package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

// newDurableRig serves a node with a directory, over loopback TCP.
func newDurableRig(t *testing.T, cfg minikv.Config) (*minikv.Node, *admin.Client) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	node, err := minikv.Open(ctx, dir, cfg)
	require.NoError(t, err)
	_, err = node.Registry(ctx, "r", minikv.Public())
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := server.New(node, server.Config{Storage: dir})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	client := admin.NewClient(admin.Addr{Network: "tcp", Path: l.Addr().String()})
	t.Cleanup(func() {
		client.Close()
		require.NoError(t, s.Close())
		require.NoError(t, <-served)
		require.NoError(t, node.Close())
	})
	return node, client
}

// A put waits for the disk, and as many do so at a time as there are: that is what they share an fsync for.
func TestManyPutsWaitTogether(t *testing.T) {
	_, client := newDurableRig(t, minikv.Config{Durability: minikv.DurabilityGroup})
	errs := make(chan error)
	const n = 64
	for i := range n {
		go func() {
			_, err := client.Put(context.Background(), "r", fmt.Sprint(i), []byte("v"), admin.PutParams{})
			errs <- err
		}()
	}
	for range n {
		require.NoError(t, <-errs)
	}
}

func TestManyBatchesWaitTogether(t *testing.T) {
	_, client := newDurableRig(t, minikv.Config{Durability: minikv.DurabilityGroup})
	errs := make(chan error)
	const n = 32 // far more than hold a batch in memory at a time
	for i := range n {
		go func() {
			_, err := client.Batch(context.Background(), "r", []admin.Record{{Key: fmt.Sprint(i), Value: []byte("v")}})
			errs <- err
		}()
	}
	for range n {
		require.NoError(t, <-errs)
	}
}

func TestSnapshotAndCompact(t *testing.T) {
	ctx := context.Background()
	_, client := newDurableRig(t, minikv.Config{})
	for i := range 100 {
		_, err := client.Put(ctx, "r", fmt.Sprint(i), []byte("v"), admin.PutParams{})
		require.NoError(t, err)
	}
	var b bytes.Buffer
	require.NoError(t, client.Snapshot(ctx, &b))
	info, err := minikv.CheckSnapshot(&b)
	require.NoError(t, err)
	require.Len(t, info.Registries, 1)
	require.Equal(t, "r", info.Registries[0].Name)
	res, err := client.Compact(ctx)
	require.NoError(t, err)
	require.Positive(t, res.Before)
	require.Positive(t, res.After)
	s, err := client.Status(ctx)
	require.NoError(t, err)
	require.NotEqual(t, "memory", s.Storage)
	require.Positive(t, s.Metrics.DiskBytes)
}

func TestANodeInMemoryHasNoSnapshot(t *testing.T) {
	r := newRig(t)
	require.ErrorIs(t, r.client.Snapshot(r.ctx, new(bytes.Buffer)), code(admin.CodeBadRequest))
	_, err := r.client.Compact(r.ctx)
	require.ErrorIs(t, err, code(admin.CodeBadRequest))
}
