package lwwmap_test

import (
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// world is replicas that write, gossip, meet and collect, each stamping above
// all it has seen, so that stamps tie between replicas.
type world struct {
	maps []*lwwmap.Map
	seqs []uint64
	last []hlc.Timestamp
}

func newWorld(n int) *world {
	w := &world{seqs: make([]uint64, n), last: make([]hlc.Timestamp, n)}
	for range n {
		w.maps = append(w.maps, lwwmap.New(nil))
	}
	return w
}

func (w *world) write(i int, key, value string, deleted bool) {
	w.seqs[i]++
	w.last[i]++
	e := entry(key, value, crdt.Actor(i+1), w.seqs[i])
	e.Stamp, e.Deleted = w.last[i], deleted
	w.maps[i].Write(e)
}

// tell floods what i holds for a key to j.
func (w *world) tell(i, j int, key string) {
	r := w.maps[i].Get(lwwmap.Data, key)
	if r.IsZero() {
		return
	}
	w.maps[j].Apply(r.Entry())
	w.last[j] = max(w.last[j], r.Stamp())
}

func (w *world) meet(i, j int) {
	a, b := w.maps[i].Clone(), w.maps[j].Clone()
	w.maps[i].Join(b)
	w.maps[j].Join(a)
	w.last[i] = max(w.last[i], w.last[j])
	w.last[j] = w.last[i]
}

// anyWorld is n replicas after a random history, with or without collections.
func anyWorld(n int, collects bool) *rapid.Generator[*world] {
	return rapid.Custom(func(t *rapid.T) *world {
		w := newWorld(n)
		who := rapid.IntRange(0, n-1)
		key := rapid.SampledFrom([]string{"k", "l"})
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			i, j := who.Draw(t, "i"), who.Draw(t, "j")
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				w.write(i, key.Draw(t, "key"), "v", false)
			case 2:
				w.write(i, key.Draw(t, "key"), "", true)
			case 3, 4:
				w.tell(i, j, key.Draw(t, "key"))
			case 5:
				w.meet(i, j)
			case 6:
				if collects {
					w.maps[i].Collect(hlc.Max, 1)
				}
			}
		}
		return w
	})
}

func join(a, b *lwwmap.Map) *lwwmap.Map {
	c := a.Clone()
	c.Join(b)
	return c
}

func TestJoinLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(2, true).Draw(t, "world")
		a, b := w.maps[0], w.maps[1]
		require.True(t, join(a, a).Equal(a), "idempotent")
		ab := join(a, b)
		require.True(t, ab.Equal(join(b, a)), "commutative")
		require.True(t, join(ab, b).Equal(ab), "absorbing")
		require.True(t, ab.Context().Covers(a.Context()) && ab.Context().Covers(b.Context()))
	})
}

func TestJoinIsAssociativeWhileNothingIsCollected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(3, false).Draw(t, "world")
		a, b, c := w.maps[0], w.maps[1], w.maps[2]
		require.True(t, join(join(a, b), c).Equal(join(a, join(b, c))))
	})
}

// With collection it is not: of a delete that is forgotten by now it depends on
// who meets first whether a write that it would have beaten survives. All
// replicas come to the same all the same.
func TestALateWriteSurvivesOrNotButTheSameEverywhere(t *testing.T) {
	var w *world
	begin := func() {
		w = newWorld(3)
		w.write(2, "k", "late", false) // a write of the third replica that nobody hears of
		w.write(0, "other", "", false)
		w.write(0, "k", "v", false)
		w.tell(0, 1, "k")
		w.write(0, "k", "", true)
		w.maps[0].Collect(hlc.Max, 1)
	}
	settled := func() string {
		for range 3 {
			w.meet(0, 1)
			w.meet(1, 2)
		}
		for _, m := range w.maps {
			require.Equal(t, w.maps[0].Root(), m.Root())
		}
		if r := w.maps[0].Get(lwwmap.Data, "k"); !r.IsZero() {
			return string(r.Value())
		}
		return "nothing"
	}
	begin()
	w.meet(0, 1) // the value goes first: the late write meets nothing
	w.meet(1, 2)
	require.Equal(t, "late", settled())
	begin()
	w.meet(1, 2) // the value beats the late write, and then goes
	require.Equal(t, "nothing", settled())
}

func TestReplicasThatMeetBecomeEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(4, true).Draw(t, "world")
		for range 3 {
			for i := range w.maps {
				w.meet(i, (i+1)%len(w.maps))
			}
		}
		for _, m := range w.maps {
			require.Equal(t, w.maps[0].Root(), m.Root())
			require.True(t, w.maps[0].Context().Equal(m.Context()))
		}
	})
}

func TestEqualLooksAtEverything(t *testing.T) {
	base := func() *lwwmap.Map {
		m := lwwmap.New(nil)
		m.Apply(entry("k", "v", 1, 5))
		m.Apply(tombstone("gone", 1, 6))
		return m
	}
	require.True(t, base().Equal(base()))
	for name, change := range map[string]func(*lwwmap.Map){
		"value":     func(m *lwwmap.Map) { m.Apply(entry("k", "w", 1, 7)) },
		"tombstone": func(m *lwwmap.Map) { m.Apply(tombstone("more", 1, 7)) },
		"context":   func(m *lwwmap.Map) { m.Context().Add(crdt.Dot{Actor: 9, Seq: 1}) },
		"horizon":   func(m *lwwmap.Map) { h := lwwmap.Horizons{{Stamp: 99}}; m.Settle(nil, new(crdt.Context), &h) },
		"collected": func(m *lwwmap.Map) { m.Collect(hlc.Max, 1) },
		"other tombstone": func(m *lwwmap.Map) {
			m.Apply(tombstone("gone", 1, 7))
			m.Context().Add(crdt.Dot{Actor: 1, Seq: 6})
		},
		"tombstone of another key": func(m *lwwmap.Map) { m.Apply(tombstone("k", 1, 7)); m.Apply(entry("gone", "v", 1, 8)) },
	} {
		m := base()
		change(m)
		other := base()
		if name == "other tombstone" {
			other.Context().Add(crdt.Dot{Actor: 1, Seq: 7})
		}
		require.False(t, m.Equal(other), name)
		require.False(t, other.Equal(m), name)
	}
}

func TestAClonedMapChangesAlone(t *testing.T) {
	m := lwwmap.New([]byte("key"))
	m.Apply(entry("k", "v", 1, 1))
	m.Apply(tombstone("gone", 1, 2))
	c := m.Clone()
	require.True(t, m.Equal(c))
	c.Apply(entry("k", "w", 1, 3))
	c.Collect(hlc.Max, 1)
	require.Equal(t, "v", string(m.Get(lwwmap.Data, "k").Value()))
	require.Equal(t, 1, m.Tombstones())
	require.False(t, m.Context().Has(crdt.Dot{Actor: 1, Seq: 3}))
	m.Apply(entry("k", "w", 1, 3))
	m.Collect(hlc.Max, 1)
	require.True(t, m.Equal(c), "the digest key is the same")
}

func TestSettleTakesOutWhatHasNotChangedSince(t *testing.T) {
	m := lwwmap.New(nil)
	m.Apply(entry("gone", "v", 1, 1))
	m.Apply(entry("changed", "v", 1, 2))
	m.Apply(entry("replaced", "v", 1, 3))
	at := func(key string) lwwmap.Record { return m.Get(lwwmap.Data, key) }
	lower := entry("replaced", "late", 2, 1)
	drops := []lwwmap.Drop{
		{Was: at("gone")},
		{Was: at("changed")},
		{Was: at("replaced"), Now: lwwmap.Pack(&lower, lwwmap.Digest{})},
	}
	m.Apply(entry("changed", "w", 1, 4))
	theirs := new(crdt.Context)
	theirs.Add(crdt.Dot{Actor: 7, Seq: 7})
	horizons := lwwmap.Horizons{{}, {Stamp: 9}}
	done := m.Settle(drops, theirs, &horizons)
	require.Equal(t, []lwwmap.Drop{drops[0], drops[2]}, done)
	require.True(t, at("gone").IsZero())
	require.Equal(t, "w", string(at("changed").Value()))
	require.Equal(t, "late", string(at("replaced").Value()), "although it is lower")
	require.True(t, m.Context().Has(crdt.Dot{Actor: 7, Seq: 7}))
	joined := m.Horizons()
	require.Equal(t, hlc.Timestamp(3), joined.Of(lwwmap.Data).Stamp, "what was dropped")
	require.Equal(t, hlc.Timestamp(9), joined.Of(lwwmap.Lease).Stamp)
}
