package minikv_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func ExampleRegistry_RandomKey() {
	ctx := context.Background()
	node, _ := minikv.Open(ctx, "", minikv.Config{})
	defer node.Close()
	reg, _ := node.Registry(ctx, "cities", minikv.Public())
	_, err := reg.RandomKey(ctx)
	fmt.Println(err)
	reg.Put(ctx, "hamburg", []byte("1.9M"))
	key, _ := reg.RandomKey(ctx)
	fmt.Println(key)
	// Output:
	// minikv: random key cities: key not found
	// hamburg
}

// sampleKeys counts how often each key comes.
func sampleKeys(t *testing.T, reg *minikv.Registry, n int) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for range n {
		key, err := reg.RandomKey(context.Background())
		require.NoError(t, err)
		seen[key]++
	}
	return seen
}

func putKeys(t *testing.T, reg *minikv.Registry, from, to int) {
	t.Helper()
	b := reg.NewBatch()
	for i := from; i < to; i++ {
		b.Put(fmt.Sprintf("key:%06d", i), []byte("v"))
	}
	_, err := b.Commit(context.Background())
	require.NoError(t, err)
}

func TestRandomKey(t *testing.T) {
	for _, where := range []string{"memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			dir := ""
			if where == "disk" {
				dir = t.TempDir()
			}
			node, err := minikv.Open(context.Background(), dir, minikv.Config{Durability: minikv.DurabilityAsync})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, node.Close()) })
			reg, err := node.Registry(context.Background(), "r", minikv.Public())
			require.NoError(t, err)
			testRandomKey(t, reg)
		})
	}
}

func testRandomKey(t *testing.T, reg *minikv.Registry) {
	ctx := context.Background()
	_, err := reg.RandomKey(ctx)
	require.ErrorIs(t, err, minikv.ErrNotFound)

	// A few: each is as likely as any other, also one that was written over again and again, and none that was deleted is told.
	putKeys(t, reg, 0, 10)
	for range 50 {
		putKeys(t, reg, 3, 4)
	}
	require.NoError(t, reg.Delete(ctx, "key:000005"))
	seen := sampleKeys(t, reg, 9000)
	require.Len(t, seen, 9)
	for key, n := range seen {
		require.InDelta(t, 1000, n, 250, key) // 8 standard deviations
	}

	// Many, half of them deleted.
	putKeys(t, reg, 0, 800)
	for i := range 400 {
		require.NoError(t, reg.Delete(ctx, fmt.Sprintf("key:%06d", 2*i)))
	}
	seen = sampleKeys(t, reg, 8000)
	require.Greater(t, len(seen), 395)
	for key, n := range seen {
		has, err := reg.Has(ctx, key)
		require.NoError(t, err)
		require.True(t, has, key)
		require.Less(t, n, 80, key) // 20 are to be expected
	}

	// Nearly every write was written over: all keys still come, though not as evenly.
	for range 40 {
		putKeys(t, reg, 400, 500)
	}
	seen = sampleKeys(t, reg, 10_000)
	require.Greater(t, len(seen), 400)

	// One is left of many.
	for i := range 800 {
		if i != 777 {
			require.NoError(t, reg.Delete(ctx, fmt.Sprintf("key:%06d", i)))
		}
	}
	require.Equal(t, map[string]int{"key:000777": 100}, sampleKeys(t, reg, 100))
	require.NoError(t, reg.Delete(ctx, "key:000777"))
	_, err = reg.RandomKey(ctx)
	require.ErrorIs(t, err, minikv.ErrNotFound)
}
