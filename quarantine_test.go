package minikv_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// estranged are two nodes of which the second still holds what the first has deleted and forgotten.
type estranged struct {
	deleted, holds *minikv.Registry
	later          atomic.Int64 // ns by which the clocks of both are ahead
}

// estrange has both hold what fill puts; then they part, and the first deletes all of it.
func estrange(t *testing.T, fill func(*minikv.Batch)) *estranged {
	e := &estranged{}
	cfg := minikv.Config{TombstoneRetention: time.Minute, Clock: func() time.Time { return time.Now().Add(time.Duration(e.later.Load())) }}
	e.deleted, e.holds = openRegistry(t, online(t, cfg), "test"), openRegistry(t, online(t, cfg), "test")
	b := e.holds.NewBatch()
	fill(b)
	_, err := b.Commit(ctx)
	require.NoError(t, err)
	connect(t, e.deleted.Node(), e.holds.Node())
	require.NoError(t, e.holds.WaitSynced(within(t), 1))
	requireEqual(t, e.deleted, e.holds)
	disconnect(t, e.deleted.Node(), e.holds.Node())
	b = e.deleted.NewBatch()
	for key, err := range e.deleted.Keys(ctx, "") {
		require.NoError(t, err)
		b.Delete(key)
	}
	_, err = b.Commit(ctx)
	require.NoError(t, err)
	e.later.Store(int64(2 * time.Minute))
	require.Eventually(t, func() bool { return e.deleted.Metrics().Tombstones == 0 }, patience, time.Millisecond, "the deletes are forgotten")
	return e
}

// meet lets the two exchange.
func (e *estranged) meet(t *testing.T) {
	t.Helper()
	connect(t, e.deleted.Node(), e.holds.Node())
	requireEqual(t, e.deleted, e.holds)
}

func quarantined(t testing.TB, r *minikv.Registry) (entries []minikv.QuarantinedEntry) {
	t.Helper()
	for q, err := range r.Quarantined(context.Background()) {
		require.NoError(t, err)
		entries = append(entries, q)
	}
	require.EqualValues(t, len(entries), r.Metrics().Quarantined)
	return entries
}

func TestWhatGoesOnAPeersWordIsKeptForADay(t *testing.T) {
	e := estrange(t, func(b *minikv.Batch) {
		b.Put("k", []byte("v"))
		b.Put("expires", []byte("w"), minikv.TTL(time.Hour))
		b.Put("short", []byte("x"), minikv.TTL(time.Second)) // nobody sees it any more when they meet
	})
	was, err := e.holds.Get(ctx, "expires")
	require.NoError(t, err)
	require.Empty(t, quarantined(t, e.holds))
	e.meet(t)
	require.Empty(t, value(t, e.holds, "k"))
	kept := quarantined(t, e.holds)
	require.Len(t, kept, 2)
	require.Equal(t, "k", kept[0].Key)
	require.Equal(t, "v", string(kept[0].Value))
	require.Equal(t, was, kept[1].Entry)
	for _, q := range kept {
		require.Equal(t, e.deleted.Node().ID(), q.Peer)
		require.Equal(t, e.holds.Node().ID(), q.Writer)
		require.WithinDuration(t, time.Now().Add(2*time.Minute), q.Removed, time.Minute)
	}
	require.Empty(t, quarantined(t, e.deleted), "it deleted them itself")
	require.EqualValues(t, 2, e.holds.Node().Metrics().Quarantined)

	kept[0].Value[0] = 'x'
	for range e.holds.Quarantined(ctx) {
		break
	}
	require.Equal(t, "v", string(quarantined(t, e.holds)[0].Value), "the caller owns what it gets")

	e.later.Store(int64(25 * time.Hour))
	require.Eventually(t, func() bool { return e.holds.Metrics().Quarantined == 0 }, patience, time.Millisecond, "without a look")
	require.Empty(t, quarantined(t, e.holds))
}

func TestTheQuarantineIsBounded(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		const more = 50
		e := estrange(t, func(b *minikv.Batch) {
			for i := range minikv.QuarantineLen + more {
				b.Put(fmt.Sprintf("%06d", i), nil)
			}
		})
		e.meet(t)
		kept := quarantined(t, e.holds)
		require.Len(t, kept, minikv.QuarantineLen)
		require.Equal(t, fmt.Sprintf("%06d", more), kept[0].Key, "the oldest made room")
	})
	t.Run("bytes", func(t *testing.T) {
		e := estrange(t, func(b *minikv.Batch) {
			for i := range 18 {
				b.Put(fmt.Sprintf("%06d", i), bytes.Repeat([]byte("v"), 1<<20))
			}
		})
		e.meet(t)
		require.Len(t, quarantined(t, e.holds), 15)
	})
}

func TestQuarantinedEndsWithAnError(t *testing.T) {
	r := offline(t)
	over, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range r.Quarantined(over) {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, r.Node().Close())
	n := 0
	for _, err := range r.Quarantined(ctx) {
		require.ErrorIs(t, err, minikv.ErrClosed)
		n++
	}
	require.Equal(t, 1, n)
}

func TestPutBack(t *testing.T) {
	e := estrange(t, func(b *minikv.Batch) {
		for _, key := range []string{"gone", "newer", "same", "locked"} {
			b.Put(key, []byte("was "+key))
		}
		b.Put("expires", []byte("w"), minikv.TTL(time.Hour))
		b.Put("expired", []byte("x"), minikv.TTL(10*time.Minute))
	})
	was, err := e.holds.Get(ctx, "expires")
	require.NoError(t, err)
	e.meet(t)
	require.Len(t, quarantined(t, e.holds), 6)
	e.later.Store(int64(20 * time.Minute))
	putBack := func(key string, over bool) bool {
		t.Helper()
		written, err := e.holds.PutBack(ctx, key, over)
		require.NoError(t, err)
		return written
	}

	require.True(t, putBack("gone", false))
	require.Equal(t, "was gone", value(t, e.holds, "gone"))
	require.Len(t, quarantined(t, e.holds), 5)
	_, err = e.holds.PutBack(ctx, "gone", false)
	require.ErrorIs(t, err, minikv.ErrNotFound, "once")

	put(t, e.holds, "newer", "is newer")
	_, err = e.holds.PutBack(ctx, "newer", false)
	require.ErrorIs(t, err, minikv.ErrPresent)
	require.Equal(t, "is newer", value(t, e.holds, "newer"))
	require.Len(t, quarantined(t, e.holds), 5, "what was refused stays")
	require.True(t, putBack("newer", true))
	require.Equal(t, "was newer", value(t, e.holds, "newer"))

	put(t, e.holds, "same", "was same")
	before, err := e.holds.Get(ctx, "same")
	require.NoError(t, err)
	require.False(t, putBack("same", false))
	after, err := e.holds.Get(ctx, "same")
	require.NoError(t, err)
	require.Equal(t, before.Rev, after.Rev, "nothing was written")

	lease, err := e.deleted.TryLock(ctx, "locked")
	require.NoError(t, err)
	requireEqual(t, e.deleted, e.holds)
	_, err = e.holds.PutBack(ctx, "locked", true)
	require.ErrorIs(t, err, minikv.ErrLocked)
	require.NoError(t, lease.Unlock(ctx))
	requireEqual(t, e.deleted, e.holds)
	require.True(t, putBack("locked", false))

	require.True(t, putBack("expires", false))
	is, err := e.holds.Get(ctx, "expires")
	require.NoError(t, err)
	require.Equal(t, was.Expires, is.Expires, "it expires when it would have")
	_, err = e.holds.PutBack(ctx, "expired", true)
	require.ErrorIs(t, err, minikv.ErrNotFound)

	requireEqual(t, e.deleted, e.holds)
	require.Equal(t, "was gone", value(t, e.deleted, "gone"), "others take it, who had deleted it")
	require.Len(t, quarantined(t, e.holds), 1)
}
