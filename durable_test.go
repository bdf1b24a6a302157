package minikv_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func openIn(t *testing.T, dir string, cfg minikv.Config) *minikv.Node {
	t.Helper()
	n, err := minikv.Open(context.Background(), dir, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func TestANodeComesBackAsItWas(t *testing.T) {
	for _, d := range []minikv.Durability{minikv.DurabilitySync, minikv.DurabilityGroup, minikv.DurabilityAsync} {
		t.Run(d.String(), func(t *testing.T) {
			ctx, dir := context.Background(), t.TempDir()
			n := openIn(t, dir, minikv.Config{Durability: d})
			id := n.ID()
			r, err := n.Registry(ctx, "fruit", minikv.Public())
			require.NoError(t, err)
			_, err = r.Put(ctx, "apple", []byte("red"))
			require.NoError(t, err)
			rev, err := r.Put(ctx, "pear", []byte("green"), minikv.TTL(time.Hour))
			require.NoError(t, err)
			_, err = r.Put(ctx, "plum", []byte("blue"))
			require.NoError(t, err)
			require.NoError(t, r.Delete(ctx, "plum"))
			batch := r.NewBatch()
			for i := range 1000 {
				batch.Put(fmt.Sprintf("many/%04d", i), []byte("value"))
			}
			_, err = batch.Commit(ctx)
			require.NoError(t, err)
			l, err := r.TryLock(ctx, "door", minikv.TTL(time.Minute))
			require.NoError(t, err)
			token := l.Token()
			root := r.Root()
			require.NoError(t, n.Close())

			n = openIn(t, dir, minikv.Config{Durability: d})
			require.Equal(t, id, n.ID(), "the identity is the directory's")
			require.Equal(t, []string{"fruit"}, n.Kept())
			r, err = n.Registry(ctx, "fruit") // it is known to be public
			require.NoError(t, err)
			require.Equal(t, root, r.Root())
			e, err := r.Get(ctx, "pear")
			require.NoError(t, err)
			require.Equal(t, "green", string(e.Value))
			require.Equal(t, rev, e.Rev)
			require.Equal(t, id, e.Writer)
			require.False(t, e.Expires.IsZero())
			_, err = r.Get(ctx, "plum")
			require.ErrorIs(t, err, minikv.ErrNotFound)
			count, err := r.Len(ctx)
			require.NoError(t, err)
			require.Equal(t, 1002, count)
			seen := 0
			for e, err := range r.Prefix(ctx, "many/") {
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("many/%04d", seen), e.Key)
				seen++
			}
			require.Equal(t, 1000, seen)
			info, locked, err := r.LockInfo(ctx, "door")
			require.NoError(t, err)
			require.True(t, locked, "a lease outlives the process until it lapses")
			require.Equal(t, token, info.Token)
			again, err := r.Put(ctx, "pear", []byte("yellow"))
			require.NoError(t, err)
			require.Positive(t, again.Compare(rev))
			require.WithinDuration(t, time.Now(), again.Time(), time.Second, "after a clean end the clock does not begin ahead")
		})
	}
}

func TestADirectoryHasOneNode(t *testing.T) {
	dir := t.TempDir()
	openIn(t, dir, minikv.Config{})
	_, err := minikv.Open(context.Background(), dir, minikv.Config{})
	require.ErrorIs(t, err, minikv.ErrDirInUse)
	require.ErrorContains(t, err, dir)
}

func TestADroppedRegistryIsGoneFromTheDirectory(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	n := openIn(t, dir, minikv.Config{})
	r, err := n.Registry(ctx, "fruit", minikv.Public())
	require.NoError(t, err)
	_, err = r.Put(ctx, "apple", []byte("red"))
	require.NoError(t, err)
	require.NoError(t, n.DropRegistry(ctx, "fruit"))
	require.Empty(t, n.Kept())
	require.NoError(t, n.Close())
	n = openIn(t, dir, minikv.Config{})
	require.Empty(t, n.Kept())
	_, ok := n.Lookup("fruit")
	require.False(t, ok)
	r, err = n.Registry(ctx, "fruit", minikv.Public())
	require.NoError(t, err)
	_, err = r.Get(ctx, "apple")
	require.ErrorIs(t, err, minikv.ErrNotFound)
}

// Two durable nodes part, write and delete, are closed and opened again, and meet.
func TestDurableNodesMeetAgainAfterARestart(t *testing.T) {
	ctx := context.Background()
	dirs := []string{t.TempDir(), t.TempDir()}
	start := func(i int) (*minikv.Node, *minikv.Registry) {
		n := openIn(t, dirs[i], minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		r, err := n.Registry(ctx, "fruit", minikv.Public())
		require.NoError(t, err)
		return n, r
	}
	meet := func(a, b *minikv.Node) {
		_, err := a.Connect(ctx, b.Addrs()[0])
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := a.SyncPeer(ctx, b.ID())
			return err == nil
		}, 10*time.Second, 20*time.Millisecond)
	}
	a, ra := start(0)
	b, rb := start(1)
	for i := range 500 {
		_, err := ra.Put(ctx, fmt.Sprint("key ", i), []byte("from a"))
		require.NoError(t, err)
	}
	meet(a, b)
	require.Equal(t, ra.Root(), rb.Root())
	require.NoError(t, b.Close())
	for i := range 100 {
		require.NoError(t, ra.Delete(ctx, fmt.Sprint("key ", i)))
	}
	_, err := ra.Put(ctx, "both", []byte("a"))
	require.NoError(t, err)
	require.NoError(t, a.Close())
	b, rb = start(1)
	_, err = rb.Put(ctx, "both", []byte("b"))
	require.NoError(t, err)
	_, err = rb.Put(ctx, "key 400", []byte("from b"))
	require.NoError(t, err)
	a, ra = start(0)
	meet(a, b)
	require.Equal(t, ra.Root(), rb.Root())
	for _, r := range []*minikv.Registry{ra, rb} {
		_, err = r.Get(ctx, "key 50")
		require.ErrorIs(t, err, minikv.ErrNotFound, "a delete is final")
		e, err := r.Get(ctx, "key 400")
		require.NoError(t, err)
		require.Equal(t, "from b", string(e.Value))
		e, err = r.Get(ctx, "both")
		require.NoError(t, err)
		require.Equal(t, "b", string(e.Value), "the later write wins")
	}
}
