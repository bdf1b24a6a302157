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

func TestPeek(t *testing.T) {
	ctx := context.Background()
	r := offline(t)
	_, _, ok, err := r.Peek(ctx, "k")
	require.NoError(t, err)
	require.False(t, ok)

	at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	put(t, r, "k", "v", minikv.ExpiresAt(at))
	value, expires, ok, err := r.Peek(ctx, "k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "v", string(value))
	require.True(t, expires.Equal(at))

	put(t, r, "k", "w")
	require.Equal(t, "v", string(value), "what was returned stays")
	value, expires, ok, err = r.Peek(ctx, "k")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, expires.IsZero())
	require.Equal(t, "w", string(value))

	put(t, r, "empty", "")
	value, _, ok, err = r.Peek(ctx, "empty")
	require.NoError(t, err)
	require.True(t, ok)
	require.NotNil(t, value)
	_, _, _, err = r.Peek(ctx, "")
	require.ErrorIs(t, err, minikv.ErrKeyInvalid)
	require.NoError(t, r.Node().Close())
	_, _, _, err = r.Peek(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrClosed)
}

func TestKeysFrom(t *testing.T) {
	ctx := context.Background()
	r := offline(t)
	for i := range 10 {
		put(t, r, fmt.Sprintf("k%d", i), "v")
	}
	require.NoError(t, r.Delete(ctx, "k1"))
	var pages []string
	for from := ""; ; {
		keys, next, err := r.KeysFrom(ctx, from, 4)
		require.NoError(t, err)
		pages = append(pages, strings.Join(keys, " "))
		if from = next; from == "" {
			break
		}
	}
	require.Equal(t, []string{"k0 k2 k3", "k4 k5 k6 k7", "k8 k9"}, pages)
	_, _, err := r.KeysFrom(ctx, "", 0)
	require.ErrorIs(t, err, minikv.ErrInvalid)
}

func TestExpireAt(t *testing.T) {
	ctx := context.Background()
	r := offline(t)
	at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	require.ErrorIs(t, r.ExpireAt(ctx, "k", at), minikv.ErrNotFound)
	put(t, r, "k", "v")
	require.NoError(t, r.ExpireAt(ctx, "k", at))
	e, err := r.Get(ctx, "k")
	require.NoError(t, err)
	require.True(t, e.Expires.Equal(at), "%s, not %s", e.Expires, at)
	require.NoError(t, r.ExpireAt(ctx, "k", at.Add(time.Microsecond)))
	e, err = r.Get(ctx, "k")
	require.NoError(t, err)
	require.True(t, e.Expires.Equal(at.Add(time.Millisecond)), "rounded up")

	require.ErrorIs(t, r.ExpireAt(ctx, "k", time.Now().AddDate(101, 0, 0)), minikv.ErrInvalid)
	require.ErrorIs(t, r.ExpireAt(ctx, "k", time.Time{}), minikv.ErrInvalid)
	_, err = r.Put(ctx, "k", nil, minikv.ExpiresAt(at), minikv.TTL(time.Second))
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = r.Put(ctx, "k", nil, minikv.ExpiresAt(at), minikv.KeepTTL())
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.NoError(t, r.ExpireAt(ctx, "k", time.Now().Add(-time.Second)), "the past is a time like any other")
	require.Empty(t, value(t, r, "k"))
}

// TestNoWait: writes are seen at once, and durable after Settle.
func TestNoWait(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	n, err := minikv.Open(ctx, dir, minikv.Config{})
	require.NoError(t, err)
	r := openRegistry(t, n, "test")
	put(t, r, "k", "v", minikv.NoWait())
	require.Equal(t, "v", value(t, r, "k"))
	require.NoError(t, r.Expire(ctx, "k", time.Hour, minikv.NoWait()))
	require.NoError(t, r.Persist(ctx, "k", minikv.NoWait()))
	put(t, r, "gone", "v", minikv.NoWait())
	require.NoError(t, r.Delete(ctx, "gone", minikv.NoWait()))
	b := r.NewBatch(minikv.NoWait())
	b.Put("batch", []byte("v"))
	_, err = b.Commit(ctx)
	require.NoError(t, err)
	require.NoError(t, r.Settle(ctx))
	_, err = r.Put(ctx, "l", nil, minikv.Locked(new(*minikv.Lease)), minikv.NoWait())
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.NoError(t, n.Close())

	n, err = minikv.Open(ctx, dir, minikv.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	r = openRegistry(t, n, "test")
	require.Equal(t, "v", value(t, r, "k"))
	require.Equal(t, "v", value(t, r, "batch"))
	require.Empty(t, value(t, r, "gone"))
}

func TestRenewByToken(t *testing.T) {
	ctx := context.Background()
	r := offline(t)
	_, err := r.Renew(ctx, "k", minikv.Token{1}, time.Second)
	require.ErrorIs(t, err, minikv.ErrLeaseLost)
	l, err := r.TryLock(ctx, "k", minikv.TTL(time.Minute), minikv.NoRenew())
	require.NoError(t, err)
	token, err := r.Renew(ctx, "k", l.Token(), time.Hour)
	require.NoError(t, err)
	require.Equal(t, l.Token(), token)
	require.NoError(t, l.Check(50*time.Minute), "the handle knows")
	_, err = r.Renew(ctx, "k", token, time.Millisecond)
	require.ErrorIs(t, err, minikv.ErrInvalid)
	other := token
	other[23]++
	_, err = r.Renew(ctx, "k", other, time.Hour)
	require.ErrorIs(t, err, minikv.ErrLeaseLost)
	require.NoError(t, r.Unlock(ctx, "k", token))
	_, err = r.Renew(ctx, "k", token, time.Hour)
	require.ErrorIs(t, err, minikv.ErrLeaseLost)
}

// TestALeaseIsRenewedWhereItWasTaken: another node says so, since the first one would still let it lapse.
func TestALeaseIsRenewedWhereItWasTaken(t *testing.T) {
	ctx := context.Background()
	regs := mesh(t, 2)
	l, err := regs[0].TryLock(ctx, "k", minikv.TTL(time.Minute), minikv.NoRenew())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, ok, err := regs[1].LockInfo(ctx, "k")
		require.NoError(t, err)
		return ok
	}, patience, time.Millisecond)
	_, err = regs[1].Renew(ctx, "k", l.Token(), time.Minute)
	require.ErrorIs(t, err, minikv.ErrLeaseLost)
	require.ErrorContains(t, err, "was not taken on this node")
}
