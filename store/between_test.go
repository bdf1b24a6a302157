package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// Two parts of a table cannot be read. What lies between them is found by way of the index, and a repair
// keeps it.
func TestWhatLiesBetweenDamageIsKept(t *testing.T) {
	const keys = 5000
	fs, rng := vfs.NewMem(), rand.New(rand.NewPCG(*seed, 8))
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	m := mapOf(t, s)
	for seq := range uint64(keys) {
		value := make([]byte, 100)
		for i := range value {
			value[i] = byte(rng.Uint32())
		}
		m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: fmt.Sprintf("key%05d", seq), Value: value, Dot: dot(1, seq+1), Stamp: hlc.Timestamp(seq + 1)})
	}
	require.NoError(t, m.Commit())
	require.NoError(t, s.Release("registry"))
	require.NoError(t, s.Compact(t.Context()))
	require.NoError(t, s.Close())
	whole := readImage(t, fs, "data")
	for name, b := range whole {
		if strings.HasSuffix(name, ".sst") && len(b) > 400<<10 {
			b[len(b)*4/10] ^= 1
			b[len(b)*8/10] ^= 1
		}
	}
	fs = vfs.NewMem()
	require.NoError(t, whole.write(fs, "data"))

	r := check(t, fs, true)
	require.NotZero(t, r.Found[store.FaultUnreadable])
	require.True(t, r.Repaired)
	require.NotZero(t, r.Registries[0].Lost)
	require.Less(t, r.Registries[0].Lost, 200, "of two blocks, not of all between them")
	require.False(t, r.Registries[0].Unknown, "the index names all that is lost")
	kept := r.Registries[0].Keys
	require.Equal(t, keys, kept+r.Registries[0].Lost)

	r = check(t, fs, false)
	require.True(t, r.OK(), "%+v", r)
	require.Equal(t, kept, r.Registries[0].Keys)
}
