package replica_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sits is all of a replica that a session might change.
type sits struct {
	root     lwwmap.Digest
	context  [16]byte
	horizons lwwmap.Horizons
	dead     int
	actor    crdt.Actor
	stamp    string
}

func (n *node) sits() sits {
	m := n.Map()
	return sits{m.Root(), m.Context().Hash(), m.Horizons(), m.Tombstones(), n.Actor(), n.clock.Last().String()}
}

// read runs a session in which the reader takes what the writer gives, and
// requires that the writer stays as it was.
func read(t testing.TB, writer, reader *node, readerDials bool) (taking, giving *replica.Session) {
	t.Helper()
	before := writer.sits()
	if readerDials {
		taking, giving, _ = pipeOnly(t, reader, writer, replica.Take, replica.Give)
	} else {
		giving, taking, _ = pipeOnly(t, writer, reader, replica.Give, replica.Take)
	}
	require.Equal(t, before, writer.sits())
	return taking, giving
}

func requireRead(t testing.TB, writer, reader *node, readerDials bool) {
	t.Helper()
	for _, s := range func() []*replica.Session {
		x, y := read(t, writer, reader, readerDials)
		return []*replica.Session{x, y}
	}() {
		state, err := s.State()
		require.NoError(t, err)
		require.Contains(t, []replica.State{replica.Equal, replica.Merged}, state)
	}
}

func bothWays(t *testing.T, fn func(t *testing.T, readerDials bool)) {
	t.Run("reader dials", func(t *testing.T) { fn(t, true) })
	t.Run("writer dials", func(t *testing.T) { fn(t, false) })
}

func TestAReaderTakesWhatTheWriterHolds(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		w, r := newNode(t, "w", 1), newNode(t, "r", 2)
		w.fill(0, 1000)
		requireRead(t, w, r, dials)
		requireEqual(t, w, r)
		w.del("key 000007")
		w.put("key 000008", "new")
		requireRead(t, w, r, dials)
		requireEqual(t, w, r)
		require.True(t, w.Map().Context().Equal(r.Map().Context()))
	})
}

// A reader that wrote while it still might keeps that to itself: nobody takes it.
func TestNothingOfAReaderEnters(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		w, r := newNode(t, "w", 1), newNode(t, "r", 2)
		w.fill(0, 100)
		requireRead(t, w, r, dials)
		r.put("key 000001", "not yours")
		r.put("other", "not yours")
		r.del("key 000002")
		w.put("key 000003", "new")
		requireRead(t, w, r, dials)
		require.Equal(t, "value 1", w.get("key 000001"))
		require.Empty(t, w.get("other"))
		require.Equal(t, "value 2", w.get("key 000002"))
		require.Equal(t, "new", r.get("key 000003"))
	})
}

// The writer has the tombstone no more, so only the contexts tell of the delete.
func TestAReaderDropsWhatAWriterHasForgotten(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		w, r := newNode(t, "w", 1), newNode(t, "r", 2)
		w.fill(0, 300)
		requireRead(t, w, r, dials)
		w.del("key 000007")
		wait(time.Second, w, r)
		w.Map().Collect(w.latest(), 10)
		requireRead(t, w, r, dials)
		requireEqual(t, w, r)
		require.Empty(t, r.get("key 000007"))
		require.EqualValues(t, 1, r.Stats().Dropped)
	})
}

// And what the reader has lost, it gets back, though its context says that it has
// it.
func TestAReaderGetsBackWhatItLost(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		w, r := newNode(t, "w", 1), newNode(t, "r", 2)
		w.fill(0, 300)
		requireRead(t, w, r, dials)
		r = r.damaged(func(key string) bool { return strings.HasSuffix(key, "7") })
		requireRead(t, w, r, dials)
		requireEqual(t, w, r)
	})
}

// A writer that lost entries takes none of a reader's: it gets them of a writer.
func TestADamagedWriterTakesNothingOfAReader(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		w, r := newNode(t, "w", 1), newNode(t, "r", 2)
		w.fill(0, 300)
		requireRead(t, w, r, dials)
		w = w.damaged(func(key string) bool { return strings.HasSuffix(key, "7") })
		requireRead(t, w, r, dials)
		require.Equal(t, "value 7", r.get("key 000007"))
		require.Empty(t, w.get("key 000007"))
	})
}

// A reader ends equal to a writer that has seen all that it has, and else with what a
// session of both directions would have left it with, whatever came before.
func TestAReaderEndsAsItShould(t *testing.T) {
	audits := 0
	rapid.Check(t, func(rt *rapid.T) {
		writers := []*node{newNode(t, "a", 1), newNode(t, "b", 2)}
		readers := []*node{newNode(t, "r", 3), newNode(t, "s", 4)}
		all := append(append([]*node{}, writers...), readers...)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			w := writers[rapid.IntRange(0, 1).Draw(rt, "writer")]
			i := rapid.IntRange(0, 1).Draw(rt, "reader")
			key := fmt.Sprint("k", rapid.IntRange(0, 5).Draw(rt, "key"))
			wait(time.Duration(rapid.IntRange(0, 2).Draw(rt, "ms"))*time.Millisecond, all...)
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0, 1:
				w.put(key, fmt.Sprint(rapid.IntRange(0, 99).Draw(rt, "value")))
			case 2:
				w.del(key)
			case 3:
				w.Map().Collect(w.latest(), rapid.IntRange(0, 3).Draw(rt, "collected"))
			case 4:
				readers[i].Map().Collect(w.latest(), 3)
			case 5:
				gossip(t, w, all[rapid.IntRange(0, 3).Draw(rt, "hears")])
			case 6:
				if rapid.Bool().Draw(rt, "wrote") {
					readers[i].put(key, "before its right to write ended")
				} else {
					readers[i].putFor(key, 5*time.Millisecond)
				}
			case 7:
				sync(t, writers[0], writers[1])
			default:
				before := readers[i].Stats().Sessions.Audits
				requireTakesAll(t, w, readers[i], rapid.Bool().Draw(rt, "dials"))
				audits += int(readers[i].Stats().Sessions.Audits - before)
			}
		}
	})
	require.NotZero(t, audits)
}

func requireTakesAll(t testing.TB, w, r *node, dials bool) {
	if len(r.Map().Context().Sub(w.Map().Context())) == 0 {
		requireRead(t, w, r, dials)
		requireEqual(t, w, r)
		require.True(t, w.Map().Context().Equal(r.Map().Context()))
		return
	}
	w2, r2 := w.continued(w.Map().Clone()), r.continued(r.Map().Clone())
	if dials {
		sync(t, r2, w2)
	} else {
		sync(t, w2, r2)
	}
	requireRead(t, w, r, dials)
	requireEqual(t, r2, r)
	require.True(t, r2.Map().Context().Equal(r.Map().Context()))
	require.Equal(t, r2.Map().Horizons(), r.Map().Horizons())
	require.Equal(t, r2.Map().Tombstones(), r.Map().Tombstones())
}

// A reader that does not keep to its part is found out at its first entry.
func TestARawReaderCannotWrite(t *testing.T) {
	for _, dials := range []bool{true, false} {
		a := newNode(t, "a", 1)
		a.fill(0, 10)
		before := a.sits()
		all := crdt.Ranges{{Lo: 1, Hi: 1<<64 - 1}}
		contexts := claim(crdt.Span{Actor: 5, Ranges: all}, crdt.Span{Actor: a.Actor(), Ranges: all})
		if a.Actor() < 5 {
			contexts.Spans[0], contexts.Spans[1] = contexts.Spans[1], contexts.Spans[0]
		}
		l := lieTo(a, dials)
		l.s.Only(replica.Give)
		require.NoError(t, l.say(l.hello(), contexts))
		require.ErrorIs(t, l.say(lastEntries(forge(lwwmap.Data, "k", "v", 5, 1))), replica.ErrProtocol)
		require.Equal(t, before, a.sits())

		l = lieTo(a, dials)
		l.s.Only(replica.Give)
		require.NoError(t, l.say(l.hello(), contexts, lastEntries()))
		require.NoError(t, l.agree())
		require.Equal(t, replica.Merged, l.state())
		require.Equal(t, before, a.sits())
		require.Zero(t, a.Stats().Forks)
	}
}

// More than an overlay keeps ends unverified, and the next session goes on.
func TestAReaderFarFromItsWriter(t *testing.T) {
	replica.SetMaxOverlay(t, 50)
	bothWays(t, func(t *testing.T, dials bool) {
		w, r := newNode(t, "w", 1), newNode(t, "r", 2)
		w.fill(0, 100)
		requireRead(t, w, r, dials)
		requireEqual(t, w, r)
		for i := range 100 {
			r.put(fmt.Sprintf("key %06d", i), "overtaken")
		}
		w.put("more", "v")
		read(t, w, r, dials)
		require.Equal(t, "v", r.get("more"))
	})
}

// Peers that may only read have nothing to give: a writer asks them for nothing, unless there is nobody else.
func TestWritersDialThoseWhoHaveSomethingToGive(t *testing.T) {
	a := newNode(t, "a", 1)
	for _, id := range []string{"r", "s", "w"} {
		a.PeerUp(a.now(), id)
	}
	for _, id := range a.tick() {
		s := a.Dial(a.now(), id)
		if id != "w" {
			s.Only(replica.Give)
		}
		s.Abort(a.now(), nil)
	}
	dials := map[string]int{}
	for range 60 {
		a.elapsed += replica.DefaultSyncEvery
		for _, id := range a.tick() {
			dials[id]++
			l := &liar{t, a, a.Dial(a.now(), id)}
			if id != "w" {
				l.s.Only(replica.Give)
			}
			state := l.hear()[0].(*replica.Hello)
			require.NoError(t, l.say(state))
			require.Equal(t, replica.Equal, l.state())
		}
	}
	require.Greater(t, dials["w"], 30)
	require.LessOrEqual(t, dials["r"]+dials["s"], 2, "those that the first, cut sessions had left")
}
