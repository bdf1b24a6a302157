package lwwmap_test

import (
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

func tombstone(key string, actor crdt.Actor, seq uint64) lwwmap.Entry {
	e := entry(key, "", actor, seq)
	e.Deleted = true
	return e
}

func TestAWriteMustBeHigher(t *testing.T) {
	m := lwwmap.New(nil)
	now, was, ok := m.Write(entry("k", "v", 1, 5))
	require.True(t, ok)
	require.True(t, was.IsZero())
	require.Equal(t, now, m.Get(lwwmap.Data, "k"))
	for _, seq := range []uint64{4, 5} {
		now, was, ok = m.Write(entry("k", "w", 1, seq))
		if seq == 5 && ok { // the same order: the hash decides
			continue
		}
		require.False(t, ok)
		require.True(t, now.IsZero())
		require.Equal(t, "v", string(was.Value()))
	}
	require.False(t, m.Context().Has(crdt.Dot{Actor: 1, Seq: 4}), "nothing was written")
}

func TestWhatBecomesOfAnArrivingEntry(t *testing.T) {
	m := lwwmap.New(nil)
	apply := func(e lwwmap.Entry) lwwmap.Outcome {
		o, now, was := m.Apply(e)
		require.True(t, m.Context().Has(e.Dot))
		require.Equal(t, now, m.Get(e.Kind, e.Key))
		if o != lwwmap.Stored {
			require.Equal(t, now, was)
		}
		return o
	}
	require.Equal(t, lwwmap.Stored, apply(entry("k", "v", 1, 5)))
	require.Equal(t, lwwmap.Known, apply(entry("k", "v", 1, 5)))
	require.Equal(t, lwwmap.Lower, apply(entry("k", "lower", 2, 4)))
	require.Equal(t, lwwmap.Overtaken, apply(entry("k", "lower", 2, 4)))
	require.Equal(t, lwwmap.Stored, apply(entry("k", "w", 2, 6)))
	require.Equal(t, lwwmap.Overtaken, apply(entry("k", "v", 1, 5)))
	require.Equal(t, lwwmap.Stored, apply(tombstone("k", 1, 7)))
	require.Equal(t, 1, m.Collect(hlc.Max, 1))
	require.Equal(t, lwwmap.Overtaken, apply(entry("k", "w", 2, 6)), "seen, and nothing is held")
	require.Equal(t, lwwmap.Stored, apply(entry("k", "late", 2, 3)), "never seen")
}

func TestRestoreTakesWhatWasSeen(t *testing.T) {
	m := lwwmap.New(nil)
	m.Apply(entry("k", "v", 1, 5))
	m.Forget(m.Get(lwwmap.Data, "k"))
	o, _, _ := m.Apply(entry("k", "v", 1, 5))
	require.Equal(t, lwwmap.Overtaken, o)
	o, now, _ := m.Restore(entry("k", "v", 1, 5))
	require.Equal(t, lwwmap.Stored, o)
	require.Equal(t, "v", string(now.Value()))
	o, _, _ = m.Restore(entry("k", "lower", 1, 4))
	require.Equal(t, lwwmap.Lower, o)
	o, _, _ = m.Restore(entry("k", "v", 1, 5))
	require.Equal(t, lwwmap.Known, o)
}

// A writer that uses a dot twice must not make a map panic or disagree with
// itself.
func TestADotUsedTwice(t *testing.T) {
	m := lwwmap.New(nil)
	m.Apply(entry("k", "v", 1, 5))
	m.Restore(entry("l", "w", 1, 5))
	m.Forget(m.Get(lwwmap.Data, "l"))
	m.Forget(m.Get(lwwmap.Data, "k"))
	require.True(t, m.Root().IsZero())
	require.Zero(t, m.Bytes())
	m.Apply(entry("m", "x", 1, 6))
	o, _, _ := m.Apply(entry("m", "other", 1, 6))
	require.Contains(t, []lwwmap.Outcome{lwwmap.Stored, lwwmap.Lower}, o)
	m.Forget(m.Get(lwwmap.Data, "m"))
	require.True(t, m.Root().IsZero())
}

func TestForgettingRaisesTheHorizon(t *testing.T) {
	m := lwwmap.New(nil)
	m.Apply(tombstone("k", 1, 5))
	m.Apply(tombstone("l", 1, 3))
	require.Zero(t, m.Collect(2, 10))
	require.Equal(t, 1, m.Collect(4, 10))
	horizons := m.Horizons()
	require.Equal(t, lwwmap.Order{Stamp: 3, Actor: 1}, horizons.Of(lwwmap.Data))
	require.True(t, horizons.Of(lwwmap.Lease).IsZero())
	require.Equal(t, 1, m.Collect(hlc.Max, 10))
	horizons = m.Horizons()
	require.Equal(t, lwwmap.Order{Stamp: 5, Actor: 1}, horizons.Of(lwwmap.Data))
	e := entry("x", "v", 1, 4)
	m.Apply(e)
	m.Forget(m.Get(lwwmap.Data, "x"))
	horizons = m.Horizons()
	require.Equal(t, lwwmap.Order{Stamp: 5, Actor: 1}, horizons.Of(lwwmap.Data), "it never falls")
}

func TestExpiryTakesTheEarliestFirst(t *testing.T) {
	m := lwwmap.New(nil)
	for i, at := range []hlc.Timestamp{30, 10, 20, 0} {
		e := entry(string(rune('a'+i)), "v", 1, uint64(i+1))
		e.Expires = at
		m.Apply(e)
	}
	require.EqualValues(t, 10, m.NextExpiry())
	require.Empty(t, m.Expire(9, 10))
	gone := m.Expire(20, 1)
	require.Len(t, gone, 1)
	require.Equal(t, "b", gone[0].Key())
	require.Len(t, m.Expire(hlc.Max, 10), 2)
	require.Zero(t, m.NextExpiry())
	require.Equal(t, 1, m.Len(lwwmap.Data))
	horizons := m.Horizons()
	require.Equal(t, hlc.Timestamp(3), horizons.Of(lwwmap.Data).Stamp)
}

func TestHorizonsJoinKindByKind(t *testing.T) {
	var a, b lwwmap.Horizons
	a.Raise(lwwmap.Data, lwwmap.Order{Stamp: 5})
	b.Raise(lwwmap.Data, lwwmap.Order{Stamp: 4})
	b.Raise(lwwmap.Lease, lwwmap.Order{Stamp: 9})
	a.Join(&b)
	require.Equal(t, lwwmap.Order{Stamp: 5}, a.Of(lwwmap.Data))
	require.Equal(t, lwwmap.Order{Stamp: 9}, a.Of(lwwmap.Lease))
	require.True(t, a.Of(lwwmap.Origin).IsZero())
}

// What was fenced and is forgotten leaves its fence behind, also where the
// lease itself is not known.
func TestForgettingWhatWasFencedRaisesTheHorizonOfLeases(t *testing.T) {
	fenced := tombstone("k", 1, 5)
	fenced.Fence, fenced.Base = lwwmap.MakeToken(7, 1, 1), 5
	known := entry("k", "lease", 1, 4)
	known.Kind, known.Fence = lwwmap.Lease, fenced.Fence
	for _, knows := range []bool{true, false} {
		m := lwwmap.New(nil)
		if knows {
			m.Apply(known)
		}
		m.Apply(fenced)
		require.Equal(t, 1, m.Collect(hlc.Max, 1))
		horizons := m.Horizons()
		require.Equal(t, fenced.Order(), horizons.Of(lwwmap.Data))
		require.Equal(t, knows, horizons.Of(lwwmap.Lease).IsZero())
		if !knows {
			require.Positive(t, horizons.Of(lwwmap.Lease).Fence.Compare(fenced.Fence))
		}
	}
}
