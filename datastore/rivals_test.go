package datastore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/datastore"
)

// Each test here is something that go-ds-crdt v0.6.8 was seen to get wrong. The one about an announced id that
// nobody holds is in package replica, where such an announcement can be made.

const patience = 30 * time.Second // for what takes milliseconds on a quiet machine

// A key put twice in one batch, against a put and a delete elsewhere at the same time, left replicas different for ever.
func TestAKeyTwiceInABatch(t *testing.T) {
	nodes := [3]*datastore.Datastore{}
	for i := range nodes {
		nodes[i] = open(t, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	twice, deletes := 0, 0
	for round := range 4 {
		for _, d := range nodes { // apart: each key has a history of its own
			b, err := d.Batch(ctx)
			require.NoError(t, err)
			for k := range 300 {
				key := ds.NewKey(fmt.Sprint(k))
				value := func() []byte { return fmt.Appendf(nil, "%d %d", round, rng.Uint32()) }
				switch rng.IntN(5) {
				case 0:
					require.NoError(t, b.Put(ctx, key, value()))
					require.NoError(t, b.Put(ctx, key, value()))
					twice++
				case 1:
					require.NoError(t, b.Put(ctx, key, value()))
					require.NoError(t, b.Delete(ctx, key))
					require.NoError(t, b.Put(ctx, key, value()))
					twice++
				case 2:
					require.NoError(t, d.Put(ctx, key, value()))
				case 3:
					require.NoError(t, d.Delete(ctx, key))
					deletes++
				}
			}
			require.NoError(t, b.Commit(ctx))
		}
		for i, d := range nodes {
			connect(t, d, nodes[(i+1)%3])
		}
		requireEqual(t, nodes[:]...)
		for i, d := range nodes {
			disconnect(t, d, nodes[(i+1)%3])
		}
	}
	require.Greater(t, twice, 600)
	require.Greater(t, deletes, 300)
}

// A clean close in the middle of catching up, and a restart, left 752 of 1,000 keys missing.
func TestClosedInTheMiddleOfCatchingUp(t *testing.T) {
	const n = 20_000
	source := open(t, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	b, err := source.Batch(ctx)
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, b.Put(ctx, ds.NewKey(fmt.Sprint(i)), make([]byte, 200)))
	}
	require.NoError(t, b.Commit(ctx))

	dir := t.TempDir()
	cfg := minikv.Config{Bootstrap: source.Registry().Node().Addrs()[:1]}
	cut := 0
	for { // each time it is closed as soon as something has come
		node, err := minikv.Open(ctx, dir, cfg)
		require.NoError(t, err)
		reg, err := node.Registry(ctx, "test", minikv.Public())
		require.NoError(t, err)
		had := int(reg.Metrics().Keys)
		if had == n {
			require.NoError(t, node.Close())
			break
		}
		require.Eventually(t, func() bool { return int(reg.Metrics().Keys) > had }, patience, 100*time.Microsecond)
		require.NoError(t, datastore.New(reg).Close())
		require.NoError(t, node.Close())
		cut++
	}
	require.Greater(t, cut, 1, "it was never closed half-way")
	d := open(t, dir, cfg)
	requireEqual(t, source, d)
	require.Len(t, keys(t, d, query.Query{KeysOnly: true}), n)
}

// All open batches shared one delta, so that an abandoned one was published by the next commit of another.
func TestBatchesAreApart(t *testing.T) {
	d := open(t, "", minikv.Config{})
	abandoned, err := d.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, abandoned.Put(ctx, ds.NewKey("abandoned"), nil))
	other, err := d.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, other.Put(ctx, ds.NewKey("other"), nil))
	require.NoError(t, d.Put(ctx, ds.NewKey("alone"), nil))
	require.Equal(t, []string{"/alone"}, keys(t, d, query.Query{}))
	require.NoError(t, other.Commit(ctx))
	require.Equal(t, []string{"/alone", "/other"}, keys(t, d, query.Query{}))
}

// A Put inside a hook deadlocked. The place of hooks is taken by a watch, whose loop may write.
func TestPutWhileBeingToldOfAPut(t *testing.T) {
	d := open(t, "", minikv.Config{})
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen := 0
	for ev, err := range d.Registry().Watch(ctx, "/job/") {
		require.NoError(t, err)
		switch {
		case ev.Kind == minikv.EventSynced:
			require.NoError(t, d.Put(ctx, ds.NewKey("/job/0"), nil))
		case ev.Kind == minikv.EventPut:
			require.NoError(t, d.Put(ctx, ds.NewKey("/done"+ev.Entry.Key), nil))
			require.NoError(t, d.Delete(ctx, ds.RawKey(ev.Entry.Key)))
			if seen++; seen < 100 {
				require.NoError(t, d.Put(ctx, ds.NewKey(fmt.Sprintf("/job/%d", seen)), nil))
			}
		}
		if seen == 100 {
			break
		}
	}
	require.Len(t, keys(t, d, query.Query{Prefix: "/done"}), 100)
}

// A Put of 5 MiB returned nil and never came to any other replica.
func TestLargeValuesArriveOrAreRefused(t *testing.T) {
	const size = 5 << 20
	small := open(t, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	large := open(t, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, MaxValueLen: size})
	key := ds.NewKey("large")
	require.ErrorIs(t, small.Put(ctx, key, make([]byte, size)), minikv.ErrTooLarge)
	connect(t, small, large)
	require.NoError(t, large.Put(ctx, key, make([]byte, size)))
	requireEqual(t, small, large)
	got, err := small.GetSize(ctx, key)
	require.NoError(t, err)
	require.Equal(t, size, got)
}

func connect(t testing.TB, a, b *datastore.Datastore) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := a.Registry().Node().Connect(ctx, b.Registry().Node().Addrs()[0])
	require.NoError(t, err)
}

func disconnect(t testing.TB, a, b *datastore.Datastore) {
	t.Helper()
	for _, pair := range [][2]*minikv.Node{{a.Registry().Node(), b.Registry().Node()}, {b.Registry().Node(), a.Registry().Node()}} {
		if err := pair[0].Disconnect(ctx, pair[1].ID()); err != nil {
			require.ErrorIs(t, err, minikv.ErrNoPeer)
		}
		require.Eventually(t, func() bool {
			return !slices.ContainsFunc(pair[0].Peers(), func(p minikv.PeerInfo) bool { return p.ID == pair[1].ID() && p.Connected })
		}, patience, time.Millisecond)
	}
}

func requireEqual(t testing.TB, all ...*datastore.Datastore) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, d := range all[1:] {
			if d.Registry().Root() != all[0].Registry().Root() {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
	want := entries(t, all[0], query.Query{})
	for _, d := range all[1:] {
		require.Equal(t, want, entries(t, d, query.Query{}))
	}
}
