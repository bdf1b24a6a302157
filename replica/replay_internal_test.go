package replica

import (
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

// Go walks its maps in another order each time. Where dots were used twice,
// what comes out of an overlay must not: else a simulation does not replay.
func TestWhatLeavesAMapHasOneOrder(t *testing.T) {
	m := lwwmap.New(nil)
	snap := m.Snapshot()
	records := func() (v overlay, all []lwwmap.Record) {
		v.init(snap, 0)
		for kind := lwwmap.Data; kind <= lwwmap.Origin; kind++ {
			for i := range 20 {
				r := snap.Pack(&lwwmap.Entry{Kind: kind, Key: string(rune('a' + i)), Dot: crdt.Dot{Actor: 1, Seq: 1}, Stamp: 1})
				v.drop(itemKey{kind, r.Key()}, r, lwwmap.Record{})
				all = append(all, r)
			}
		}
		return v, all
	}
	v, all := records()
	want := v.dropList()
	require.Len(t, want, len(all))
	for range 20 {
		v, _ := records()
		got := v.dropList()
		for i := range want {
			require.Zero(t, compareRecords(want[i].Was, got[i].Was))
		}
	}
}
