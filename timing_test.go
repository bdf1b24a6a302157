package minikv_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestTimingQuantile(t *testing.T) {
	var tm minikv.Timing
	require.Zero(t, tm.Quantile(0.5))
	bounds := minikv.TimingBounds()
	require.IsIncreasing(t, bounds)
	tm.Counts[0], tm.Counts[6], tm.Counts[len(bounds)] = 5, 4, 1
	require.EqualValues(t, 10, tm.Count())
	require.Equal(t, bounds[0], tm.Quantile(0))
	require.Equal(t, bounds[0], tm.Quantile(0.5))
	require.Equal(t, bounds[6], tm.Quantile(0.9))
	require.Equal(t, time.Minute, tm.Quantile(1), "above all bounds")
	later := tm
	later.Counts[6]++
	require.EqualValues(t, 1, later.Since(tm).Count())
	require.Equal(t, bounds[6], later.Since(tm).Quantile(0.5))
}

// On a node with a directory every write is measured, whatever its kind.
func TestWritesAreTimed(t *testing.T) {
	n, err := minikv.Open(within(t), t.TempDir(), minikv.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, n.Close()) }()
	r, ctx := openRegistry(t, n, "test"), context.Background()
	put(t, r, "a", "1")
	put(t, r, "b", "1", minikv.TTL(time.Hour))
	require.NoError(t, r.Delete(ctx, "a"))
	require.NoError(t, r.Persist(ctx, "b"))
	b := r.NewBatch()
	b.Put("c", nil)
	b.Put("d", nil)
	_, err = b.Commit(ctx)
	require.NoError(t, err)
	_, err = r.Get(ctx, "absent")
	require.ErrorIs(t, err, minikv.ErrNotFound)
	w := r.Metrics().WriteTime
	require.EqualValues(t, 5, w.Count(), "a batch is one")
	require.Positive(t, w.Sum)
	require.Equal(t, w, n.Metrics().WriteTime)
}

// In memory one in some is, and what is measured is what writes take.
func TestSomeWritesInMemoryAreTimed(t *testing.T) {
	r := offline(t)
	for i := 0; r.Metrics().WriteTime.Count() == 0; i++ {
		require.Less(t, i, 100_000)
		put(t, r, "k", "v")
	}
}

func TestExchangesAndGossipAreTimed(t *testing.T) {
	regs := mesh(t, 2)
	m := regs[0].Metrics()
	require.Positive(t, m.SyncTime.Count())
	require.Positive(t, m.SyncRounds)
	require.Eventually(t, func() bool { // until gossip has a way
		put(t, regs[1], "k", "v")
		return regs[0].Metrics().GossipLag.Count() > 0
	}, patience, 10*time.Millisecond)
}

func TestReady(t *testing.T) {
	n, err := minikv.Open(within(t), t.TempDir(), minikv.Config{})
	require.NoError(t, err)
	openRegistry(t, n, "test")
	require.NoError(t, n.Ready())
	require.NoError(t, n.Close())
	require.ErrorIs(t, n.Ready(), minikv.ErrClosed)
}

// What a peer said in its last hello can be compared with what this node holds.
func TestStandings(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	put(t, a, "k", "v")
	requireEqual(t, a, b)
	_, err := a.SyncPeer(within(t), b.Node().ID())
	require.NoError(t, err)
	for _, r := range []*minikv.Registry{a, b} {
		require.Eventually(t, func() bool {
			s := r.Standings()
			return len(s) == 1 && s[0].State == r.State() && s[0].Keys == 1 && s[0].Joined && !s[0].Synced.IsZero()
		}, patience, time.Millisecond)
	}
	require.Equal(t, b.Node().ID(), a.Standings()[0].Peer)
	require.Equal(t, a.State(), b.State())
	put(t, a, "k", "w")
	require.NotEqual(t, a.State(), a.Standings()[0].State, "said before the write")

	lone := offline(t)
	require.Empty(t, lone.Standings())
	require.NotZero(t, lone.State())
}
