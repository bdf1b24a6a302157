package property_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

// smallEntries lists the entries of one key in the small scope: 2 values or a
// tombstone, 3 stamps, 2 nodes.
func smallEntries(key string, keyNumber uint64) (es []lwwmap.Entry) {
	for actor := crdt.Actor(1); actor <= 2; actor++ {
		for stamp := hlc.Timestamp(1); stamp <= 3; stamp++ {
			for i, value := range []string{"v", "w", ""} {
				es = append(es, lwwmap.Entry{
					Kind: lwwmap.Data, Key: key, Value: []byte(value), Deleted: value == "", Stamp: stamp,
					Dot: crdt.Dot{Actor: actor, Seq: keyNumber*9 + uint64(stamp-1)*3 + uint64(i) + 1},
				})
			}
		}
	}
	return es
}

// smallStates lists the states of a few keys: each key holds nothing or one
// entry, or nothing because its tombstone was collected.
func smallStates(keys int) []*state {
	all := []*state{newState(0)}
	for k := range keys {
		var next []*state
		for _, s := range all {
			next = append(next, s)
			for _, e := range smallEntries(string(rune('k'+k)), uint64(k)) {
				t := s.clone()
				t.Apply(e)
				next = append(next, t)
				if e.Deleted {
					t = t.clone()
					t.Forget(t.Get(e.Kind, e.Key))
					next = append(next, t)
				}
			}
		}
		all = next
	}
	return all
}

// Two entries under one dot would be a fork; the small scope gives each entry a
// dot of its own, so each pair of states could have come about.
func TestEveryPairOfSmallStates(t *testing.T) {
	all := smallStates(2)
	require.Len(t, all, 25*25)
	for i, a := range all {
		for _, b := range all[:i+1] {
			ab, ba := a.join(b), b.join(a)
			commutative := ab.Equal(ba.Map)
			ab.Map.Join(b.Map)
			if !commutative || !ab.Equal(ba.Map) {
				t.Fatalf("the join of these is not commutative or not idempotent:\n  %s\n  %s", a, b)
			}
		}
	}
	t.Logf("%d states, %d pairs", len(all), len(all)*(len(all)+1)/2)
}

func TestEveryTripleOfSmallStates(t *testing.T) {
	all := smallStates(1)
	require.Len(t, all, 25)
	differ := 0
	for _, a := range all {
		for _, b := range all {
			ab := a.join(b)
			for _, c := range all {
				x, y := ab.join(c), a.join(b.join(c))
				if x.Equal(y.Map) {
					continue
				}
				differ++
				if !x.join(y).Equal(y.join(x).Map) || aboveHorizon(x.Horizons(), a, b, c) {
					t.Fatalf("more than late writes makes the join of these depend on its order:\n  %s\n  %s\n  %s", a, b, c)
				}
			}
		}
	}
	t.Logf("%d triples, of which %d are not associative", len(all)*len(all)*len(all), differ)
}

// aboveHorizon says whether a state holds an entry above the horizons.
func aboveHorizon(h lwwmap.Horizons, all ...*state) (found bool) {
	for _, s := range all {
		s.Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
			found = found || r.Order().Compare(h.Of(lwwmap.Data)) > 0
			return true
		})
	}
	return found
}

// What associativity does not cover: a late write. c wrote w in ignorance of v,
// which beats it, and of the delete of v, which b has collected. Where c meets a
// first, w is lost to v and then v goes; where c meets b first, w is kept.
// Whichever came about, all end with the same.
func TestLateWritesDependOnWhoMeetsFirst(t *testing.T) {
	a, b, c := newState(0), newState(1), newState(2)
	c.clock = 4
	w, _ := c.write(stepPut)
	a.clock = 9
	v, _ := a.write(stepPut)
	b.Apply(v)
	b.clock = 10
	b.write(stepDelete + steps)
	b.Collect(hlc.Max, 1)

	x, y := a.join(c).join(b), a.join(b.join(c))
	require.True(t, x.Get(lwwmap.Data, "k").IsZero())
	require.Equal(t, w.Dot, y.Get(lwwmap.Data, "k").Dot())
	require.True(t, x.join(y).Equal(y.join(x).Map))
	require.True(t, x.join(y).Get(lwwmap.Data, "k").IsZero())
}

// b heard of the delete before it heard of the value, and had collected the
// tombstone by then; so it holds the value, a late write. a saw the value and the
// delete, and still has the tombstone. Where they meet the value goes: the
// horizon of a does not cover it, but what a holds does.
func TestADeleteIsFinalWhereValueAndDeleteWereSeen(t *testing.T) {
	a, b := newState(0), newState(1)
	v, _ := a.write(stepPut)
	u, _ := a.write(stepDelete)
	b.Apply(u)
	b.Collect(hlc.Max, 1)
	b.Apply(v)
	require.Equal(t, v.Dot, b.Get(lwwmap.Data, "k").Dot())
	for _, both := range []*state{a.join(b), b.join(a)} {
		require.True(t, both.Get(lwwmap.Data, "k").IsZero())
	}
}

var scheduleDepth = flag.Int("laws.depth", 4, "how many steps TestEverySchedule tries in every order; each more takes 15 times as long")

// TestEverySchedule lets three replicas of one key do everything in every order
// to a depth, and looks after each step that the witness is content with the one
// that moved; and at the end of each that all become equal.
func TestEverySchedule(t *testing.T) {
	x := &explorer{t: t}
	book := newLedger()
	var all [3]*state
	var seen [3]*witness
	for i := range all {
		all[i], seen[i] = newState(i), newWitness(book)
	}
	x.explore(all, seen, nil, *scheduleDepth)
	t.Logf("depth %d: %d schedules", *scheduleDepth, x.ends)
}

type explorer struct {
	t    *testing.T
	ends int
}

func (x *explorer) explore(all [3]*state, seen [3]*witness, path []string, depth int) {
	if depth == 0 {
		x.ends++
		x.meet(all, path)
		return
	}
	for i := range all {
		for what := range 5 {
			book, next, eyes := cloneWorld(all, seen)
			s, w := next[i], eyes[i]
			name := ""
			switch what {
			case 0:
				name = "puts"
				_, ok := s.write(stepPut)
				require.True(x.t, ok)
			case 1:
				name = "deletes"
				_, ok := s.write(stepDelete)
				require.True(x.t, ok)
			case 2:
				name = "collects"
				if s.Collect(hlc.Max, 1) == 0 {
					continue
				}
			default:
				j := (i + what - 2) % 3
				name = fmt.Sprint("joins ", j)
				s.Map.Join(next[j].Map)
				s.clock = max(s.clock, next[j].clock)
			}
			here := append(path[:len(path):len(path)], fmt.Sprint(i, " ", name))
			w.enter(book, s)
			if err := w.check(s.Map); err != nil {
				x.t.Fatalf("after %v: %v", here, err)
			}
			x.explore(next, eyes, here, depth-1)
		}
	}
}

// enter gives the ledger what a state has written last, and the mirror all it
// holds.
func (w *witness) enter(book *ledger, s *state) {
	w.held = map[slotKey]lwwmap.Record{}
	s.Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
		if book.find(r.Dot()) == nil {
			book.add(r)
		}
		w.held[slotKey{r.Kind(), r.Key()}] = r
		return true
	})
}

func cloneWorld(all [3]*state, seen [3]*witness) (book *ledger, next [3]*state, eyes [3]*witness) {
	book = seen[0].book.clone()
	for i := range all {
		next[i], eyes[i] = all[i].clone(), seen[i].clone()
		eyes[i].book = book
	}
	return book, next, eyes
}

// meet lets all meet and demands that they become equal.
func (x *explorer) meet(all [3]*state, path []string) {
	for range 2 {
		for i := range all {
			j := (i + 1) % 3
			both := all[i].join(all[j])
			all[i], all[j] = both, both.clone()
		}
	}
	for i := range all {
		if !all[0].Equal(all[i].Map) {
			x.t.Fatalf("after %v:\n  %s\n  %s", path, all[0], all[i])
		}
	}
}
