package lwwmap_test

import (
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func anyOrder() *rapid.Generator[lwwmap.Order] {
	few := rapid.SampledFrom([]uint64{0, 1, 2})
	return rapid.Custom(func(t *rapid.T) lwwmap.Order {
		return lwwmap.Order{
			Fence: lwwmap.Token{0: byte(few.Draw(t, "fence"))}, Base: hlc.Timestamp(few.Draw(t, "base")),
			Stamp: hlc.Timestamp(few.Draw(t, "stamp")), Actor: crdt.Actor(few.Draw(t, "actor")),
		}
	})
}

func TestOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyOrder().Draw(t, "a"), anyOrder().Draw(t, "b"), anyOrder().Draw(t, "c")
		require.Equal(t, -b.Compare(a), a.Compare(b))
		require.Equal(t, a == b, a.Compare(b) == 0)
		if a.Compare(b) >= 0 && b.Compare(c) >= 0 {
			require.GreaterOrEqual(t, a.Compare(c), 0)
		}
		require.GreaterOrEqual(t, a.Compare(lwwmap.Order{}), 0)
		require.Equal(t, a == lwwmap.Order{}, a.IsZero())
	})
}

// Records of one order come only from a writer that misbehaves; they have one
// all the same.
func TestRecordsOfOneOrderAreOrderedByDotAndContent(t *testing.T) {
	pack := func(seq uint64, value string) lwwmap.Record {
		e := entry("k", value, 1, 7)
		e.Dot.Seq = seq
		return lwwmap.Pack(&e, lwwmap.Digest{})
	}
	require.Zero(t, pack(1, "v").Compare(pack(1, "v")))
	require.Equal(t, -1, pack(1, "v").Compare(pack(2, "v")))
	x, y := pack(1, "v"), pack(1, "w")
	require.NotZero(t, x.Compare(y))
	require.Equal(t, -y.Compare(x), x.Compare(y))
}

func TestKindsHaveNames(t *testing.T) {
	for k, want := range map[lwwmap.Kind]string{lwwmap.Data: "data", lwwmap.Lease: "lease", lwwmap.Origin: "origin", 9: "kind(9)", 0: "kind(0)"} {
		require.Equal(t, want, k.String())
		require.Equal(t, k >= 1 && k <= 3, k.Valid())
	}
}

func TestOutcomesHaveNames(t *testing.T) {
	require.Equal(t, "stored", lwwmap.Stored.String())
	require.Equal(t, "overtaken", lwwmap.Overtaken.String())
}
