package minikv_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

const patience = 20 * time.Second // for what takes milliseconds on a quiet machine

// openNode opens a node that is closed at the end of the test.
func openNode(t testing.TB, cfg minikv.Config) *minikv.Node {
	t.Helper()
	n, err := minikv.Open(context.Background(), "", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

// online opens a node that listens on loopback.
func online(t testing.TB, cfg minikv.Config) *minikv.Node {
	t.Helper()
	cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
	return openNode(t, cfg)
}

// openRegistry opens a public registry.
func openRegistry(t testing.TB, n *minikv.Node, name string, opts ...minikv.RegistryOption) *minikv.Registry {
	t.Helper()
	r, err := n.Registry(context.Background(), name, append(opts, minikv.Public())...)
	require.NoError(t, err)
	return r
}

// offline opens a registry on a node without a network.
func offline(t testing.TB, opts ...minikv.RegistryOption) *minikv.Registry {
	t.Helper()
	return openRegistry(t, openNode(t, minikv.Config{}), "test", opts...)
}

// mesh opens n nodes on loopback, each connected to all others, with one registry in common.
func mesh(t testing.TB, n int) []*minikv.Registry {
	t.Helper()
	regs := make([]*minikv.Registry, n)
	for i := range regs {
		regs[i] = openRegistry(t, online(t, minikv.Config{}), "test")
		for _, r := range regs[:i] {
			connect(t, regs[i].Node(), r.Node())
		}
	}
	for _, r := range regs {
		require.NoError(t, r.WaitSynced(within(t), n-1))
	}
	return regs
}

func connect(t testing.TB, a, b *minikv.Node) {
	t.Helper()
	id, err := a.Connect(within(t), b.Addrs()[0])
	require.NoError(t, err)
	require.Equal(t, b.ID(), id)
}

// disconnect parts two nodes for good: whoever dialled would dial again.
func disconnect(t testing.TB, a, b *minikv.Node) {
	t.Helper()
	require.NoError(t, b.Disconnect(within(t), a.ID()))
	if err := a.Disconnect(within(t), b.ID()); err != nil {
		require.ErrorIs(t, err, minikv.ErrNoPeer)
	}
	require.Eventually(t, func() bool {
		return !connected(a, b) && !connected(b, a)
	}, patience, time.Millisecond)
}

func connected(a, b *minikv.Node) bool {
	for _, p := range a.Peers() {
		if p.ID == b.ID() {
			return p.Connected
		}
	}
	return false
}

// within is a context that ends when the test has taken too long.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// requireEqual waits until all registries have the same root.
func requireEqual(t testing.TB, regs ...*minikv.Registry) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, r := range regs[1:] {
			if r.Root() != regs[0].Root() {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
}

func put(t testing.TB, r *minikv.Registry, key, value string, opts ...minikv.PutOption) minikv.Revision {
	t.Helper()
	rev, err := r.Put(context.Background(), key, []byte(value), opts...)
	require.NoError(t, err)
	return rev
}

// value returns the value of a key, "" when it is absent.
func value(t testing.TB, r *minikv.Registry, key string) string {
	t.Helper()
	e, err := r.Get(context.Background(), key)
	if err != nil {
		require.ErrorIs(t, err, minikv.ErrNotFound)
		return ""
	}
	return string(e.Value)
}
