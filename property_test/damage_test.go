package property_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// damagedCopy returns a state whose context is whole but which lacks some of
// its entries: a disk that lost them, or a backup put together wrongly. It says
// to all peers that these entries were deleted.
func damagedCopy(m *lwwmap.Map, loses func(lwwmap.Record) bool) *lwwmap.Map {
	c := lwwmap.New(nil)
	for kind := lwwmap.Data; kind <= lwwmap.Origin; kind++ {
		m.Ascend(kind, "", "", func(r lwwmap.Record) bool {
			if kind != lwwmap.Data || !loses(r) {
				c.Apply(r.Entry())
			}
			return true
		})
	}
	horizons := m.Horizons()
	c.Settle(nil, m.Context(), &horizons)
	return c
}

type damageWorld struct {
	t      *testing.T
	rng    *rand.Rand
	now    time.Duration
	reps   [3]*replica.Replica
	clocks [3]*hlc.Clock
}

func (w *damageWorld) at() replica.Instant {
	return replica.Instant{Wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(w.now), Mono: w.now + 1}
}

func (w *damageWorld) open(i int, state *lwwmap.Map) {
	clock := hlc.Config{}
	if w.reps[i] != nil {
		clock.Ceiling = w.clocks[i].Last()
	}
	w.clocks[i] = hlc.NewClock(clock)
	w.reps[i] = replica.New(replica.Config{
		Peer: fmt.Sprint("n", i), Registry: "damaged", Clock: w.clocks[i], Rand: rand.New(rand.NewPCG(w.rng.Uint64(), 1)),
	}, state, w.at())
}

func (w *damageWorld) meet(i, j int) {
	a, b := w.reps[i].Dial(w.at(), fmt.Sprint("n", j)), w.reps[j].Accept(w.at(), fmt.Sprint("n", i))
	for moved := true; moved; {
		moved = false
		for _, way := range [][2]*replica.Session{{a, b}, {b, a}} {
			for f, ok := way[0].Next(w.at()); ok; f, ok = way[0].Next(w.at()) {
				require.NoError(w.t, way[1].Handle(w.at(), f))
				moved = true
			}
		}
	}
}

// TestADamagedReplicaTakesNothingYoungWithIt: whatever lies above the collection
// horizon of a replica whose context is wrong survives, and comes back to it. In
// a node with default options that is all that was written in the last week.
func TestADamagedReplicaTakesNothingYoungWithIt(t *testing.T) {
	restored, dropped, runs := 0, 0, 2000
	for seed := range uint64(runs) {
		w := &damageWorld{t: t, rng: rand.New(rand.NewPCG(seed, 5))}
		for i := range w.reps {
			w.open(i, nil)
		}
		for range 10 + w.rng.IntN(30) {
			w.now += time.Duration(w.rng.IntN(3)) * time.Millisecond
			i := w.rng.IntN(3)
			switch w.rng.IntN(6) {
			case 0, 1, 2:
				_, _, err := w.reps[i].Write(w.at(), replica.Write{Key: fmt.Sprint("k", w.rng.IntN(6)), Value: []byte("v"), Delete: w.rng.IntN(4) == 0})
				require.NoError(t, err)
			case 3:
				w.reps[i].Map().Collect(hlc.Max, 2)
			default:
				w.meet(i, (i+1+w.rng.IntN(2))%3)
			}
		}
		for range 2 {
			w.meet(0, 1)
			w.meet(1, 2)
			w.meet(2, 0)
		}
		before := live(w.reps[1].Map())
		w.open(0, damagedCopy(w.reps[0].Map(), func(lwwmap.Record) bool { return w.rng.IntN(2) == 0 }))
		horizons := w.reps[0].Map().Horizons()
		for i := range 6 {
			w.meet(i%3, (i+1)%3)
		}
		after := live(w.reps[0].Map())
		for key, r := range before {
			if now, ok := after[key]; ok {
				require.Equal(t, r.Hash(), now.Hash())
				continue
			}
			dropped++
			require.LessOrEqual(t, r.Order().Compare(horizons.Of(lwwmap.Data)), 0, "seed %d: %s is lost", seed, show(r))
		}
		for _, r := range w.reps {
			require.Equal(t, w.reps[0].Map().Root(), r.Map().Root(), "seed %d", seed)
			restored += int(r.Stats().Restored)
		}
	}
	t.Logf("%d worlds: %d entries restored, %d below the horizon dropped", runs, restored, dropped)
	require.Greater(t, restored, runs/10)
	require.Greater(t, dropped, runs/10)
}

func live(m *lwwmap.Map) map[string]lwwmap.Record {
	all := map[string]lwwmap.Record{}
	m.Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
		if !r.Deleted() {
			all[r.Key()] = r
		}
		return true
	})
	return all
}
