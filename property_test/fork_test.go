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

// forkWorld is a few replicas of which two are copies of one running process:
// same peer, same actor, same dots for different writes. They never meet, as
// they have one name; the others meet both.
type forkWorld struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Duration
	reps  []*replica.Replica
	names []string
	wrote map[string][]lwwmap.Record // by key
}

func newForkWorld(t *testing.T, seed uint64) *forkWorld {
	w := &forkWorld{t: t, rng: rand.New(rand.NewPCG(seed, 77)), wrote: map[string][]lwwmap.Record{}}
	w.names = []string{"copied", "copied", "b", "c"}[:3+w.rng.IntN(2)]
	actor := 1 + w.rng.Uint64N(1<<40)
	for i, name := range w.names {
		source := rand.Source(rand.NewPCG(seed, uint64(i)))
		if name == "copied" {
			source = &twin{first: actor, times: 2, Source: source}
		}
		w.reps = append(w.reps, replica.New(replica.Config{
			Peer: name, Registry: "forked", Clock: hlc.NewClock(hlc.Config{}), Rand: rand.New(source),
		}, nil, w.at()))
	}
	return w
}

// twin draws one number that its twin draws, too, and then its own.
type twin struct {
	first uint64
	times int
	rand.Source
}

func (s *twin) Uint64() uint64 {
	if n := s.first; s.times > 0 {
		s.times--
		return n
	}
	return s.Source.Uint64()
}

func (w *forkWorld) at() replica.Instant {
	return replica.Instant{Wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(w.now), Mono: w.now}
}

func (w *forkWorld) write(i int) {
	key := fmt.Sprint("k", w.rng.IntN(3))
	rec, _, err := w.reps[i].Write(w.at(), replica.Write{Key: key, Value: fmt.Append(nil, w.rng.Uint32()), Delete: w.rng.IntN(5) == 0})
	require.NoError(w.t, err)
	w.wrote[key] = append(w.wrote[key], rec)
}

func (w *forkWorld) gossip(i int) {
	for d := w.reps[i].Outbox(); d != nil; d = w.reps[i].Outbox() {
		for j, r := range w.reps {
			if j != i && w.names[j] != w.names[i] && w.rng.IntN(2) == 0 {
				r.Receive(w.at(), w.names[i], w.names[i], d) // may be refused: another copy's dots
			}
		}
	}
}

func (w *forkWorld) meet(i, j int) {
	if w.names[i] == w.names[j] {
		return
	}
	a, b := w.reps[i].Dial(w.at(), w.names[j]), w.reps[j].Accept(w.at(), w.names[i])
	for moved := true; moved; {
		moved = false
		for _, way := range [][2]*replica.Session{{a, b}, {b, a}} {
			for f, ok := way[0].Next(w.at()); ok; f, ok = way[0].Next(w.at()) {
				_ = way[1].Handle(w.at(), f)
				moved = true
			}
		}
	}
}

// equal compares what can be seen.
func (w *forkWorld) equal() bool {
	for _, r := range w.reps[1:] {
		if r.Map().Root() != w.reps[0].Map().Root() {
			return false
		}
	}
	return true
}

// TestForkedReplicasBecomeEqual: nobody's write is lost to a copy. Of each key
// the latest write, by whomever, is what all end with.
func TestForkedReplicasBecomeEqual(t *testing.T) {
	forks := 0
	for seed := range uint64(3000) {
		w := newForkWorld(t, seed)
		for range 5 + w.rng.IntN(40) {
			w.now += time.Duration(w.rng.IntN(3)) * time.Millisecond
			i := w.rng.IntN(len(w.reps))
			switch w.rng.IntN(6) {
			case 0, 1, 2:
				w.write(i)
			case 3, 4:
				w.gossip(i)
			case 5:
				w.meet(i, w.rng.IntN(len(w.reps)))
			}
		}
		for round := 0; !w.equal(); round++ {
			require.Less(t, round, 12, "seed %d: replicas do not become equal", seed)
			for i := range w.reps {
				for j := range i {
					w.meet(i, j)
				}
			}
		}
		w.check(seed)
		for _, r := range w.reps {
			forks += int(r.Stats().Forks)
		}
	}
	t.Logf("forks found: %d", forks)
	require.Greater(t, forks, 1000)
}

// check demands that all hold the latest write of each key, or nothing if that
// was a delete. Writes at the same stamp are decided by actors that change.
func (w *forkWorld) check(seed uint64) {
	for key, all := range w.wrote {
		var latest hlc.Timestamp
		for _, r := range all {
			latest = max(latest, r.Stamp())
		}
		held, found := w.reps[0].Map().Get(lwwmap.Data, key), false
		for _, r := range all {
			if r.Stamp() == latest {
				found = found || (r.Deleted() && (held.IsZero() || held.Deleted())) || (!held.IsZero() && string(held.Value()) == string(r.Value()))
			}
		}
		require.True(w.t, found, "seed %d: %q holds %s, but the latest write has stamp %s", seed, key, show(held), latest)
	}
}
