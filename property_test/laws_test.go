package property_test

import (
	"bytes"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"pgregory.net/rapid"
)

// checkLaw tries a law on three replicas with a random history.
func checkLaw(t *testing.T, law func(t *rapid.T, all []*state), without ...int) {
	t.Helper()
	seen := shares{}
	rapid.Check(t, func(t *rapid.T) {
		all := drawStates(t, without...)
		seen.see(all...)
		law(t, all)
	})
	seen.require(t)
}

func mustEqual(t *rapid.T, what string, a, b *state) {
	if !a.Equal(b.Map) {
		t.Fatalf("%s:\n  %s\n  %s", what, a, b)
	}
}

func TestLawCommutative(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		for i, a := range all {
			for _, b := range all[:i] {
				mustEqual(t, "a+b and b+a", a.join(b), b.join(a))
			}
		}
	})
}

func TestLawIdempotent(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		for i, a := range all {
			mustEqual(t, "a+a and a", a.join(a), a)
			for _, b := range all[:i] {
				ab := a.join(b)
				mustEqual(t, "a+b+b and a+b", ab.join(b), ab)
				mustEqual(t, "a+b+a and a+b", ab.join(a), ab)
			}
		}
	})
}

// Without collection and expiry the join is associative as it stands.
func TestLawAssociativeWithoutCollection(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		a, b, c := all[0], all[1], all[2]
		mustEqual(t, "(a+b)+c and a+(b+c)", a.join(b).join(c), a.join(b.join(c)))
	}, stepCollect, stepCollectToo, stepExpire)
}

// With collection it is associative above the collection horizon. Contexts and
// horizons always agree, and so does each key of which some state holds an entry
// above all horizons. Of a key whose entries all lie at or below them, deletes
// may have been forgotten; there one order of joins may keep a late write that
// another drops: a write below one that was deleted, made without having seen
// the delete. Both results join to the same state.
func TestLawAssociativeAboveTheHorizon(t *testing.T) {
	differ := 0
	checkLaw(t, func(t *rapid.T, all []*state) {
		a, b, c := all[0], all[1], all[2]
		x, y := a.join(b).join(c), a.join(b.join(c))
		if !x.Context().Equal(y.Context()) || x.Horizons() != y.Horizons() {
			t.Fatalf("contexts or horizons of (a+b)+c and a+(b+c) differ:\n  %s\n  %s", x, y)
		}
		horizons := x.Horizons()
		for _, key := range []string{"k", "l"} {
			p, q := x.Get(lwwmap.Data, key), y.Get(lwwmap.Data, key)
			if sameRecord(p, q) {
				continue
			}
			differ++
			for _, s := range []*state{a, b, c, x, y} {
				if r := s.Get(lwwmap.Data, key); !r.IsZero() && r.Order().Compare(horizons.Of(lwwmap.Data)) > 0 {
					t.Fatalf("%q differs although an entry of it lies above all horizons:\n  %s\n  %s", key, x, y)
				}
			}
		}
		mustEqual(t, "x+y and y+x", x.join(y), y.join(x))
	})
	t.Logf("%d keys differed at or below the horizon", differ)
}

func sameRecord(p, q lwwmap.Record) bool {
	if p.IsZero() || q.IsZero() {
		return p.IsZero() == q.IsZero()
	}
	return p.Hash() == q.Hash()
}

// Whatever the order in which replicas meet, once each has met what the others
// made of it they are equal: joins do not go in circles.
func TestLawConfluent(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		n := rapid.IntRange(0, 5).Draw(t, "order")
		order := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}[n]
		a, b, c := all[order[0]], all[order[1]], all[order[2]]
		ab := a.join(b)
		x := ab.join(c) // c meets who has met both
		y := c.join(x)  // and hears the result
		z := ab.join(x) // as do the others
		mustEqual(t, "x and c+x", x, y)
		mustEqual(t, "x and ab+x", x, z)
		mustEqual(t, "x and a+x", x, a.join(x))
		mustEqual(t, "x and b+x", x, b.join(x))
	})
}

// A local write loses nothing: s + write(s) = write(s).
func TestLawInflation(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		n := drawStep(t)
		s := all[n.who()]
		before := s.clone()
		act(all, n)
		mustEqual(t, "s+act(s) and act(s), after "+n.String(), before.join(s), s)
		mustEqual(t, "act(s)+s and act(s), after "+n.String(), s.join(before), s)
	}, stepDeliver)
}

func drawStep(t *rapid.T) step {
	for {
		if n := anyStep.Draw(t, "last step"); n.kind() != stepDeliver {
			return n
		}
	}
}

// delta is the state that holds nothing but one write.
func delta(e lwwmap.Entry) *state {
	d := newState(0)
	d.Apply(e)
	return d
}

// A write's delta says all that the write changed: s + delta = write(s).
func TestLawDelta(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		n := drawStep(t)
		if n.kind() >= stepCollect {
			return
		}
		s := all[n.who()].clone()
		before := s.clone()
		if e, ok := s.write(n); ok {
			mustEqual(t, "s+delta and write(s), after "+n.String(), before.join(delta(e)), s)
		}
	})
}

// Deltas may be folded in any order, any number of times.
func TestLawDeltasFoldInAnyOrder(t *testing.T) {
	seen := shares{}
	rapid.Check(t, func(t *rapid.T) {
		all := []*state{newState(0), newState(1), newState(2)}
		var deltas []*state
		do := func(n step) {
			if n.kind() >= stepCollect {
				act(all, n)
			} else if e, ok := all[n.who()].write(n); ok {
				deltas = append(deltas, delta(e))
			}
		}
		for _, n := range drawSteps(t, stepCollect, stepCollectToo, stepExpire) {
			do(n)
		}
		for _, n := range drawTie(t, all) {
			do(n)
		}
		seen.see(all...)
		want := newState(0)
		for _, d := range deltas {
			want.Map.Join(d.Map)
		}
		got := newState(0)
		for _, d := range rapid.Permutation(append(deltas, deltas...)).Draw(t, "order") {
			got.Map.Join(d.Map)
		}
		mustEqual(t, "deltas in order, and shuffled and doubled", want, got)
		mustEqual(t, "deltas, and the join of the replicas", want, all[0].join(all[1]).join(all[2]))
	})
	seen.require(t)
}

// Equal states have equal bytes, and only they; their digests and hashes of
// contexts agree, as sessions compare them.
func TestLawEqualMeansEqualBytes(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		all = append(all, all[0].join(all[1]), all[1].join(all[0]))
		for i, b := range all[1:] {
			a := all[i]
			x, errA := a.encode()
			y, errB := b.encode()
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			equal := a.Equal(b.Map)
			if equal != bytes.Equal(x, y) || equal != b.Equal(a.Map) {
				t.Fatalf("equal %t, bytes %x and %x:\n  %s\n  %s", equal, x, y, a, b)
			}
			sums := a.Root() == b.Root() && a.Context().Hash() == b.Context().Hash()
			if same := liveText(a) == liveText(b); same != sums {
				t.Fatalf("same live entries and contexts %t, digests equal %t:\n  %s\n  %s", same, sums, a, b)
			}
		}
	})
}

// liveText tells what digest and context say of a state: all but tombstones and
// horizons.
func liveText(s *state) string {
	c := newState(0)
	for _, e := range s.entries() {
		if !e.Deleted {
			c.Restore(e)
		}
	}
	c.Settle(nil, s.Context(), new(lwwmap.Horizons))
	return c.String()
}

// A state that went through the codec is the same state, and behaves like it.
func TestLawCodec(t *testing.T) {
	checkLaw(t, func(t *rapid.T, all []*state) {
		back := make([]*state, len(all))
		for i, s := range all {
			b, err := s.encode()
			if err != nil {
				t.Fatal(err)
			}
			if back[i], err = decodeState(b); err != nil {
				t.Fatalf("%v: %s", err, s)
			}
			mustEqual(t, "decoded and original", back[i], s)
			for _, e := range s.entries() {
				checkDelta(t, e)
			}
		}
		mustEqual(t, "joined before and after", back[0].join(back[1]), all[0].join(all[1]))
	})
}

// checkDelta sends an entry through the codec of gossip.
func checkDelta(t *rapid.T, e lwwmap.Entry) {
	d := &replica.Delta{Actor: e.Dot.Actor, Seqs: crdt.Ranges{{Lo: 1, Hi: e.Dot.Seq}}, Entries: []lwwmap.Entry{e}}
	b, err := replica.EncodeDelta(nil, d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := replica.DecodeDelta(b)
	if err != nil {
		t.Fatalf("%v: %+v", err, e)
	}
	again, err := replica.EncodeDelta(nil, got)
	if err != nil || !bytes.Equal(b, again) || got.Entries[0].Order() != e.Order() || !bytes.Equal(got.Entries[0].Value, e.Value) {
		t.Fatalf("%+v came back as %+v (%v)", d, got, err)
	}
}
