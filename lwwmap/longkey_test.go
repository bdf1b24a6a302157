package lwwmap_test

import (
	"strings"
	"testing"

	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

// A key longer than a record can hold is nobody's: asking for it must not find
// the key that its length, cut to 16 bits, would name.
func TestTooLongKeysNameNothing(t *testing.T) {
	m := lwwmap.New(nil)
	m.Apply(entry("aaaa", "v", 1, 1))
	m.Apply(entry("b", "v", 1, 2))
	long := strings.Repeat("a", 1<<16+4)
	require.True(t, m.Get(lwwmap.Data, long).IsZero())
	require.True(t, m.Snapshot().Get(lwwmap.Data, long).IsZero())
	var got []string
	m.Ascend(lwwmap.Data, long, "", func(r lwwmap.Record) bool {
		got = append(got, r.Key())
		return true
	})
	require.Equal(t, []string{"b"}, got)
}

func TestTheLongestKeyHasItsPlace(t *testing.T) {
	m := lwwmap.New(nil)
	longest := strings.Repeat("a", lwwmap.MaxKeyLen)
	m.Apply(entry(longest, "v", 1, 1))
	require.Equal(t, longest, m.Snapshot().Get(lwwmap.Data, longest).Key())
	for from, want := range map[string]int{longest: 1, longest + "a": 0, "a": 1, "b": 0} {
		n := 0
		m.Ascend(lwwmap.Data, from, "", func(lwwmap.Record) bool { n++; return true })
		require.Equal(t, want, n)
	}
}
