package store_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// What is kept of a key is what it holds, or nothing; and it is no more than there is room for.
func TestHotRecordsAreThoseThatAreHeld(t *testing.T) {
	hits, misses := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		room, tables := rapid.IntRange(0, 4000).Draw(t, "room"), rapid.IntRange(1, 3).Draw(t, "tables")
		h, held := store.NewHot(room, tables), map[string]lwwmap.Record{}
		keys := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
		for seq := range uint64(rapid.IntRange(1, 60).Draw(t, "writes")) {
			key := keys.Draw(t, "key")
			if rec, ok := held[key]; ok && rapid.IntRange(0, 4).Draw(t, "what") == 0 {
				h.Remove(rec)
				delete(held, key)
			} else {
				value := []byte(strings.Repeat("v", rapid.IntRange(0, 200).Draw(t, "value")))
				held[key] = lwwmap.Pack(&lwwmap.Entry{Kind: lwwmap.Data, Key: key, Value: value, Dot: dot(1, seq+1), Stamp: hlc.Timestamp(seq + 1)}, lwwmap.Digest{})
				h.Set(held[key])
			}
			require.LessOrEqual(t, h.Bytes(), room/tables)
			for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
				if rec := h.Get(key); rec.IsZero() {
					misses++
				} else {
					require.Equal(t, held[key], rec)
					hits++
				}
			}
		}
	})
	require.NotZero(t, hits)
	require.NotZero(t, misses)
	t.Logf("%d hits, %d misses", hits, misses)
}
