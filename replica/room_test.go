package replica_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// ghosts claims the first writes of many actors that nobody has ever heard of.
func ghosts(n int) (spans []crdt.Span) {
	for i := range n {
		spans = append(spans, crdt.Span{Actor: crdt.Actor(1 + 2*i), Ranges: crdt.Ranges{{Lo: 1, Hi: 9}}})
	}
	return spans
}

// A context of actors that never wrote anything would stay with everybody for ever.
func TestAContextOfGhostsIsNotTakenOverWithoutEnd(t *testing.T) {
	replica.SetMaxGhosts(t, 10)
	for _, dials := range []bool{true, false} {
		a, b := newNode(t, "a", 1), newNode(t, "b", 2)
		a.put("k", "v")
		gossip(t, a, b)
		for range 3 {
			l := lieTo(a, dials)
			mine := crdt.Span{Actor: math.MaxUint64, Ranges: crdt.Ranges{{Lo: 1, Hi: 1}}}
			require.NoError(t, l.say(l.hello(), claim(append(ghosts(1000), mine)...), lastEntries()))
			require.NoError(t, l.agree())
			require.Equal(t, replica.Merged, l.state())
			require.LessOrEqual(t, a.Map().Context().Len(), 1+10)
		}
		b.put("l", "w")
		sync(t, a, b)
		requireEqual(t, a, b)
	}
}

func TestAContextOfWritersIsTakenOver(t *testing.T) {
	replica.SetMaxGhosts(t, 10)
	a := newNode(t, "a", 1)
	var spans []crdt.Span
	first := map[crdt.Actor]lwwmap.Entry{}
	for i := range 100 {
		e := replica.Origin("peer", [16]byte{byte(i)}, hlc.FromTime(start))
		first[e.Dot.Actor] = e
	}
	c := new(crdt.Context)
	var entries []lwwmap.Entry
	for actor, e := range first {
		c.AddRanges(actor, crdt.Ranges{{Lo: 1, Hi: 5}})
		entries = append(entries, e)
	}
	spans = c.Spans()
	l := lieTo(a, true)
	require.NoError(t, l.say(l.hello(), claim(spans...), lastEntries(entries...)))
	require.NoError(t, l.agree())
	require.Equal(t, replica.Merged, l.state())
	require.EqualValues(t, 500, a.Map().Context().Count())
}

// So large a context could not be told to others any more: sessions would fail from then on.
func TestGapsDoNotGrowWithoutEnd(t *testing.T) {
	replica.SetMaxHeld(t, 100)
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.put("k", "v")
	gossip(t, b, a)
	refused := 0
	for i := range uint64(1000) {
		d := delta(forge(lwwmap.Data, "gap", "x", liarActor, 3+2*i))
		if a.Receive(a.now(), "liar", "liar", d).Refused != nil {
			refused++
		}
		d = delta(forge(lwwmap.Data, "writer", "x", crdt.Actor(1000+i), 7))
		if a.Receive(a.now(), "liar", "liar", d).Refused != nil {
			refused++
		}
	}
	require.Positive(t, refused)
	require.EqualValues(t, refused, a.Stats().Refused.Bounds)
	require.LessOrEqual(t, a.Map().Context().Fragments(), 101)
	t.Run("nor by ranges without entries", func(t *testing.T) {
		o := replica.Origin("liar", [16]byte{1}, hlc.FromTime(start))
		require.NoError(t, newNode(t, "c", 3).Receive(a.now(), "liar", "liar", delta(o)).Refused)
		c := newNode(t, "c", 3)
		require.NoError(t, c.Receive(c.now(), "liar", "liar", delta(o)).Refused)
		for i := range uint64(1000) {
			d := &replica.Delta{Actor: o.Dot.Actor, Seqs: crdt.Ranges{{Lo: 3 + 4*i, Hi: 3 + 4*i}, {Lo: 5 + 4*i, Hi: 5 + 4*i}}}
			require.NoError(t, c.Receive(c.now(), "liar", "liar", d).Refused)
		}
		require.LessOrEqual(t, c.Map().Context().Fragments(), 101)
	})
	t.Run("nor by sessions", func(t *testing.T) {
		l := lieTo(a, true)
		var gaps crdt.Ranges
		for i := range uint64(500) {
			gaps = gaps.Add(4*i+1, 4*i+1)
		}
		require.NoError(t, l.say(l.hello(), claim(crdt.Span{Actor: liarActor, Ranges: gaps}), lastEntries()))
		require.NoError(t, l.agree())
		require.LessOrEqual(t, a.Map().Context().Fragments(), 101)
	})
	for i := range 100 { // and honest writers write on
		b.put("k", string(rune('a'+i%26)))
		gossip(t, b, a)
	}
	require.Equal(t, b.get("k"), a.get("k"))
	sync(t, a, b)
	requireEqual(t, a, b)
}

func TestContextsOfManySessionsAreBoundedTogether(t *testing.T) {
	replica.SetMaxContext(t, 10_000)
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.put("k", "v")
	part := func(n int) *replica.Contexts { return &replica.Contexts{Spans: ghosts(n)} }
	failed := 0
	var liars []*liar
	for range 20 {
		l := lieTo(a, true)
		require.NoError(t, l.say(l.hello()))
		for range 4 {
			if err := l.say(part(2000)); err != nil {
				require.ErrorIs(t, err, replica.ErrBounds)
				failed++
				break
			}
		}
		liars = append(liars, l)
	}
	require.Greater(t, failed, 15)
	sync(t, a, b) // small ones are not held up
	requireEqual(t, a, b)
	for _, l := range liars {
		l.s.Abort(a.now(), replica.ErrProtocol)
	}
	l := lieTo(a, true)
	require.NoError(t, l.say(l.hello(), part(2000), part(2000), part(2000), part(2000)))
}

// A context of more ranges than a frame holds, of actors with many and with few, is told whole.
func TestAContextIsToldInParts(t *testing.T) {
	for _, gaps := range [][]int{{2048}, {2047, 1, 1}, {5000, 3}, {1, 1, 4094, 1}, {1000, 1000, 1000, 1000, 1000}} {
		a, b := newNode(t, "a", 1), newNode(t, "b", 2)
		for i, n := range gaps {
			actor := crdt.Actor(1000 + i)
			for j := range n {
				require.NoError(t, a.Receive(a.now(), "c", "c", delta(forge(lwwmap.Data, fmt.Sprint(i, " ", j), "v", actor, uint64(2*j+2)))).Refused)
			}
		}
		b.put("of b", "1")
		sync(t, a, b)
		require.True(t, a.Map().Context().Equal(b.Map().Context()), "%v", gaps)
		require.GreaterOrEqual(t, b.Map().Context().Fragments(), gaps[0])
	}
}
