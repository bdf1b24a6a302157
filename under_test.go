package minikv_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// An entry names the lease that it was written under, on every node, and the next plain write does not inherit the name.
func TestEntryNamesItsLease(t *testing.T) {
	regs := mesh(t, 2)
	a, b, ctx := regs[0], regs[1], context.Background()
	put(t, a, "k", "plain")
	under := func(r *minikv.Registry) minikv.Token {
		e, err := r.Get(ctx, "k")
		require.NoError(t, err)
		return e.Under
	}
	require.Zero(t, under(a))
	l, err := a.TryLock(ctx, "k")
	require.NoError(t, err)
	_, err = l.Put(ctx, []byte("fenced"))
	require.NoError(t, err)
	require.Equal(t, l.Token(), under(a))
	requireEqual(t, a, b)
	require.Equal(t, l.Token(), under(b))
	require.NoError(t, l.Unlock(ctx))
	put(t, a, "k", "plain again")
	require.Zero(t, under(a))
	requireEqual(t, a, b)
	require.Zero(t, under(b))
}
