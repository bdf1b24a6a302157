package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/admin"
)

func (r *rig) locked(key string) bool {
	r.t.Helper()
	_, ok, err := r.reg.LockInfo(r.ctx, key)
	require.NoError(r.t, err)
	return ok
}

func TestLockLivesUntilItsTTL(t *testing.T) {
	r := newRig(t)
	l, err := r.client.Lock(r.ctx, "r", "k", admin.LockParams{TTL: time.Second})
	require.NoError(t, err)
	require.Equal(t, string(r.node.ID()), l.Owner)
	require.Len(t, l.Token, 48)
	r.client.Close() // it does not hang on the connection
	require.True(t, r.locked("k"))
	_, err = r.client.Put(r.ctx, "r", "k", []byte("v"), admin.PutParams{Token: l.Token})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !r.locked("k") }, 10*time.Second, 5*time.Millisecond, "not renewed")
	_, err = r.client.Put(r.ctx, "r", "k", []byte("v"), admin.PutParams{Token: l.Token})
	require.ErrorIs(t, err, code(admin.CodeLeaseLost))
}

func TestLockWaitsAndUnlocks(t *testing.T) {
	r := newRig(t)
	first, err := r.client.Lock(r.ctx, "r", "k", admin.LockParams{TTL: time.Hour})
	require.NoError(t, err)
	second := make(chan admin.Lock, 1)
	go func() {
		l, err := r.client.Lock(r.ctx, "r", "k", admin.LockParams{TTL: time.Hour, Wait: time.Minute, StopWhenIsolated: false})
		if err == nil {
			second <- l
		}
		close(second)
	}()
	require.NoError(t, r.client.Unlock(r.ctx, "r", "k", first.Token))
	l, ok := <-second
	require.True(t, ok)
	require.Greater(t, l.Token, first.Token)
	require.ErrorIs(t, r.client.Unlock(r.ctx, "r", "k", first.Token), code(admin.CodeLeaseLost))
}

func TestPutThatLocks(t *testing.T) {
	r := newRig(t)
	res, err := r.client.Put(r.ctx, "r", "k", []byte("v"), admin.PutParams{Lock: true, LockTTL: time.Hour})
	require.NoError(t, err)
	require.NotNil(t, res.Lock)
	e, err := r.client.Get(r.ctx, "r", "k")
	require.NoError(t, err)
	require.Equal(t, res.Lock.Token, e.Lock.Token)
	require.WithinRange(t, e.Lock.Until, time.Now().Add(59*time.Minute), time.Now().Add(2*time.Hour))
	require.NoError(t, r.client.Expire(r.ctx, "r", "k", time.Hour, res.Lock.Token))
	require.NoError(t, r.client.Persist(r.ctx, "r", "k", res.Lock.Token))
	require.NoError(t, r.client.Delete(r.ctx, "r", "k", res.Lock.Token))
}

// TestHoldLivesAsLongAsItsClient pins both halves: renewed beyond its ttl while the client is there, released when it goes.
func TestHoldLivesAsLongAsItsClient(t *testing.T) {
	r := newRig(t)
	h, err := r.client.Hold(r.ctx, "r", "k", admin.LockParams{TTL: time.Second})
	require.NoError(t, err)
	start := time.Now()
	for time.Since(start) < 2200*time.Millisecond {
		ev, err := h.Next()
		require.NoError(t, err)
		require.Equal(t, admin.HoldHeld, ev.State)
		require.Equal(t, h.Lock.Token, ev.Lock.Token)
		require.Positive(t, ev.Left)
	}
	require.True(t, r.locked("k"))
	h.Release()
	require.False(t, r.locked("k"), "Release has waited for the node")
	h.Release()
}

func TestHoldIsReleasedWhenItsClientVanishes(t *testing.T) {
	r := newRig(t)
	ctx, vanish := context.WithCancel(r.ctx)
	_, err := r.client.Hold(ctx, "r", "k", admin.LockParams{TTL: time.Hour})
	require.NoError(t, err)
	require.True(t, r.locked("k"))
	vanish()
	require.Eventually(t, func() bool { return !r.locked("k") }, 10*time.Second, 5*time.Millisecond)
}

func TestHoldTellsOfItsLoss(t *testing.T) {
	r := newRig(t)
	h, err := r.client.Hold(r.ctx, "r", "k", admin.LockParams{TTL: time.Hour})
	require.NoError(t, err)
	defer h.Release()
	require.NoError(t, r.client.Unlock(r.ctx, "r", "k", h.Lock.Token))
	ev, err := h.Next()
	require.NoError(t, err)
	require.Equal(t, admin.HoldLost, ev.State)
	require.Equal(t, "lease lost: released by its token", ev.Reason)
	_, err = h.Next()
	require.Error(t, err)
}
