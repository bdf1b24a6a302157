package minikv_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

const mib = 1 << 20

// fillRoom puts keys with values of 1,000 bytes until there is no room, and returns how many.
func fillRoom(t testing.TB, r *minikv.Registry, prefix string, opts ...minikv.PutOption) (n int) {
	t.Helper()
	for ; ; n++ {
		_, err := r.Put(context.Background(), fmt.Sprint(prefix, n), make([]byte, 1000), opts...)
		if err != nil {
			require.ErrorIs(t, err, minikv.ErrFull)
			var e *minikv.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "put", e.Op)
			require.ErrorContains(t, err, "of 1048576 bytes")
			require.ErrorContains(t, err, "delete something, or allow more")
			return n
		}
		require.Less(t, n, 2000, "there is no limit")
	}
}

func TestARegistryTakesNoMoreThanMaxBytes(t *testing.T) {
	ctx := context.Background()
	r := openRegistry(t, openNode(t, minikv.Config{MaxBytes: mib}), "test")
	n := fillRoom(t, r, "k")
	require.InDelta(t, mib*2/3, r.Metrics().Weight, 2000)
	put(t, r, "k1", "shorter")
	require.NoError(t, r.Delete(ctx, "k2"))
	_, err := r.Put(ctx, "k3", make([]byte, 10_000))
	require.ErrorIs(t, err, minikv.ErrFull)
	require.Len(t, value(t, r, "k3"), 1000, "a refused write changes nothing")
	l, err := r.TryLock(ctx, "lock")
	require.NoError(t, err, "locks go on")
	require.NoError(t, l.Unlock(ctx))

	b := r.NewBatch()
	for i := range 10 {
		b.Put(fmt.Sprint("batch", i), make([]byte, 1000))
	}
	_, err = b.Commit(ctx)
	require.ErrorIs(t, err, minikv.ErrFull)
	for i := range n / 2 {
		b.Delete(fmt.Sprint("k", i))
	}
	_, err = b.Commit(ctx)
	require.ErrorIs(t, err, minikv.ErrFull, "the puts are still in it")
	all, err := r.Len(ctx)
	require.NoError(t, err)
	require.Equal(t, n-1, all, "all or nothing")

	other := openRegistry(t, r.Node(), "other")
	put(t, other, "k", "v")
}

// A batch that fits is written, one that only just does as well.
func TestABatchIsHeldToItsSum(t *testing.T) {
	ctx := context.Background()
	r := openRegistry(t, openNode(t, minikv.Config{MaxBytes: mib}), "test")
	for size := 2000; size > 0; size -= 10 {
		b := r.NewBatch()
		for i := range size {
			b.Put(fmt.Sprint(i), make([]byte, 1000))
		}
		if _, err := b.Commit(ctx); err != nil {
			require.ErrorIs(t, err, minikv.ErrFull)
			require.Zero(t, r.Metrics().Keys)
			continue
		}
		require.Greater(t, size, 550)
		return
	}
	require.Fail(t, "nothing fits")
}

func TestWhatExpiresMakesRoom(t *testing.T) {
	r := openRegistry(t, openNode(t, minikv.Config{MaxBytes: mib}), "test")
	n := fillRoom(t, r, "k", minikv.TTL(300*time.Millisecond))
	require.Eventually(t, func() bool { return r.Metrics().Keys == 0 }, patience, time.Millisecond)
	require.Equal(t, n, fillRoom(t, r, "k", minikv.TTL(time.Hour)))
}

// One who writes without end takes nobody else's room, and nobody is blamed but for that.
func TestAFloodLeavesRoom(t *testing.T) {
	ctx := context.Background()
	a, b := openRegistry(t, online(t, minikv.Config{MaxBytes: mib}), "test"), openRegistry(t, online(t, minikv.Config{MaxBytes: mib}), "test")
	flood := openRegistry(t, online(t, minikv.Config{}), "test")
	connect(t, a.Node(), b.Node())
	connect(t, flood.Node(), a.Node())
	require.NoError(t, a.WaitSynced(within(t), 2))
	for i := range 2000 {
		put(t, flood, fmt.Sprint("flood", i), strings.Repeat("x", 1000))
	}
	require.Eventually(t, func() bool { return a.Metrics().RefusedFull > 1000 }, patience, time.Millisecond)
	put(t, a, "honest", "v")
	put(t, b, "large", strings.Repeat("v", 20_000))
	for _, r := range []*minikv.Registry{a, b} {
		require.Eventually(t, func() bool { return value(t, r, "honest") == "v" && len(value(t, r, "large")) == 20_000 }, patience, time.Millisecond)
		require.LessOrEqual(t, r.Metrics().Weight, int64(mib))
	}
	l, err := b.TryLock(ctx, "lock")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, ok, err := a.LockInfo(ctx, "lock")
		return err == nil && ok && info.Token == l.Token()
	}, patience, time.Millisecond)
	for _, p := range a.Node().Peers() {
		require.Zero(t, p.BannedUntil)
		if p.ID == flood.Node().ID() {
			require.Positive(t, p.Refusals[minikv.RefusedFull])
			require.Len(t, p.Refusals, 1)
		}
	}
	checks, err := a.Node().Doctor(ctx)
	require.NoError(t, err)
	for _, c := range checks {
		if c.Name == "room" {
			require.Equal(t, minikv.CheckProblem, c.State)
			require.Contains(t, c.Found, `of 1 MiB, and `)
			return
		}
	}
	require.Fail(t, "doctor does not say so", "%v", checks)
}

func TestMaxBytesIsChecked(t *testing.T) {
	for _, n := range []int64{-1, 1, mib - 1, 1<<50 + 1} {
		_, err := minikv.Open(context.Background(), "", minikv.Config{MaxBytes: n})
		require.ErrorIs(t, err, minikv.ErrInvalid)
		require.ErrorContains(t, err, "it can be 0, for no limit, or 1048576 to 1125899906842624")
	}
}

// A node with a directory holds to it after a start, too.
func TestADirectoryTakesNoMoreThanMaxBytes(t *testing.T) {
	dir := t.TempDir()
	open := func() (*minikv.Node, *minikv.Registry) {
		n, err := minikv.Open(context.Background(), dir, minikv.Config{MaxBytes: mib, Durability: minikv.DurabilityAsync})
		require.NoError(t, err)
		return n, openRegistry(t, n, "test")
	}
	n, r := open()
	fillRoom(t, r, "k")
	held := r.Metrics().Weight
	require.NoError(t, n.Close())
	n, r = open()
	require.Equal(t, held, r.Metrics().Weight)
	fillRoom(t, r, "l") // a writer's share counts from the start
	fillRoom(t, r, "m")
	require.LessOrEqual(t, r.Metrics().Weight, int64(mib))
	require.NoError(t, r.Delete(context.Background(), "k1"))
	require.NoError(t, n.Close())
}

// What overwrites others' entries takes them over, in a batch as well: nothing of it is refused half way.
func TestABatchIsWrittenWhole(t *testing.T) {
	ctx := context.Background()
	a, b := openRegistry(t, online(t, minikv.Config{MaxBytes: mib}), "test"), openRegistry(t, online(t, minikv.Config{MaxBytes: mib}), "test")
	connect(t, a.Node(), b.Node())
	require.NoError(t, a.WaitSynced(within(t), 1))
	for i := range 500 {
		put(t, b, fmt.Sprint("k", i), strings.Repeat("b", 1000))
	}
	requireEqual(t, a, b)
	batch := a.NewBatch()
	for i := range 500 {
		batch.Put(fmt.Sprint("k", i), []byte(strings.Repeat("a", 1000)))
	}
	batch.Put("new", make([]byte, 20_000))
	batch.Delete("k0")
	batch.Put("k0", []byte("again"))
	_, err := batch.Commit(ctx)
	require.NoError(t, err)
	require.Equal(t, "again", value(t, a, "k0"))
	require.Len(t, value(t, a, "new"), 20_000)
	requireEqual(t, a, b)
}

func TestAFullRegistryLetsThingsExpire(t *testing.T) {
	ctx := context.Background()
	r := openRegistry(t, openNode(t, minikv.Config{MaxBytes: mib}), "test")
	n := fillRoom(t, r, "k")
	for i := range n {
		require.NoError(t, r.Expire(ctx, fmt.Sprint("k", i), 200*time.Millisecond))
	}
	require.Eventually(t, func() bool { return r.Metrics().Keys == 0 }, patience, time.Millisecond)
	put(t, r, "k", "v")
}

func TestARefusedPutLeavesNoLease(t *testing.T) {
	r := openRegistry(t, openNode(t, minikv.Config{MaxBytes: mib}), "test")
	fillRoom(t, r, "k")
	var l *minikv.Lease
	_, err := r.Put(context.Background(), "locked", make([]byte, 1000), minikv.Locked(&l))
	require.ErrorIs(t, err, minikv.ErrFull)
	require.Nil(t, l)
	require.Zero(t, r.Metrics().Leases)
}

// A put that has no room takes no lease, however little is missing: what a lease and an expiry add to an entry counts, too.
func TestAPutWithoutRoomLeavesNoLease(t *testing.T) {
	ctx := context.Background()
	r := openRegistry(t, openNode(t, minikv.Config{MaxBytes: mib}), "test")
	fillRoom(t, r, "k")
	for size := 1000; ; size-- {
		require.GreaterOrEqual(t, size, 0, "nothing fits")
		var l *minikv.Lease
		_, err := r.Put(ctx, "locked", make([]byte, size), minikv.Locked(&l), minikv.TTL(time.Hour))
		if err == nil {
			require.NoError(t, l.Unlock(ctx))
			return
		}
		require.ErrorIs(t, err, minikv.ErrFull)
		require.Zero(t, r.Metrics().Leases, "a lease was left behind by a value of %d bytes", size)
	}
}
