package datastore_test

import (
	"context"
	"testing"

	dstest "github.com/ipfs/go-datastore/test"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/datastore"
)

// The suite that go-datastore brings for its implementations.
func TestSuite(t *testing.T) {
	t.Run("memory", func(t *testing.T) { dstest.SubtestAll(t, open(t, "", minikv.Config{})) })
	t.Run("directory", func(t *testing.T) {
		dstest.SubtestAll(t, open(t, t.TempDir(), minikv.Config{Durability: minikv.DurabilityAsync}))
	})
}

// open opens a datastore on a node of its own, which ends with the test.
func open(t testing.TB, dir string, cfg minikv.Config, opts ...minikv.RegistryOption) *datastore.Datastore {
	t.Helper()
	node, err := minikv.Open(context.Background(), dir, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, node.Close()) })
	reg, err := node.Registry(context.Background(), "test", append(opts, minikv.Public())...)
	require.NoError(t, err)
	return datastore.New(reg)
}
