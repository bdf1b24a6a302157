package lwwmap_test

import (
	"fmt"
	"testing"

	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

// Touching changes nothing, whatever the key holds: nothing, a value, a tombstone, or a slot that another key has.
func TestTouch(t *testing.T) {
	m := lwwmap.New(nil)
	first, second := keyWithHash(1, 7), keyWithHash(2, 7)
	seq := uint64(0)
	for _, key := range []string{"a", first, second, "gone"} {
		seq++
		m.Write(entry(key, "v", 1, seq))
	}
	gone := entry("gone", "", 1, seq+1)
	gone.Value, gone.Deleted = nil, true
	m.Write(gone)
	root, size := m.Root(), m.Bytes()
	for i := range 1000 {
		for _, key := range []string{"a", first, second, "gone", "", fmt.Sprint("absent", i)} {
			for _, kind := range []lwwmap.Kind{lwwmap.Data, lwwmap.Lease, lwwmap.Origin} {
				m.Touch(kind, key)
			}
		}
	}
	require.Equal(t, root, m.Root())
	require.Equal(t, size, m.Bytes())
	require.True(t, m.Get(lwwmap.Data, "").IsZero())
	require.False(t, m.Get(lwwmap.Data, second).IsZero())
}
