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

// fetch runs a fetch to its end and returns both sides.
func fetch(t testing.TB, to, from *node, wants ...crdt.Span) (asks, answers *replica.Session) {
	t.Helper()
	asks = to.DialFetch(to.now(), replica.Fetch{Peer: from.name, Wants: wants})
	answers = from.Accept(from.now(), to.name)
	run(t, asks, answers, to, from)
	return asks, answers
}

// run passes frames between two sessions until neither has more to say.
func run(t testing.TB, a, b *replica.Session, an, bn *node) {
	t.Helper()
	pass := func(from, to *replica.Session, fromNode, toNode *node) bool {
		f, ok := from.Next(fromNode.now())
		if !ok {
			return false
		}
		data, err := replica.EncodeFrame(nil, f)
		require.NoError(t, err)
		got, err := replica.DecodeFrame(data)
		require.NoError(t, err)
		_ = to.Handle(toNode.now(), got)
		return true
	}
	for pass(a, b, an, bn) || pass(b, a, bn, an) {
	}
}

func requireFetched(t testing.TB, sessions ...*replica.Session) {
	t.Helper()
	for _, s := range sessions {
		state, err := s.State()
		require.NoError(t, err)
		require.Equal(t, replica.Fetched, state)
	}
}

func spanOf(n *node, lo, hi uint64) crdt.Span {
	return crdt.Span{Actor: n.Actor(), Ranges: crdt.Ranges{{Lo: lo, Hi: hi}}}
}

// untilFetch goes on with the load, for 300 ms at most, until b would fetch.
func (f *flow) untilFetch() (due []replica.Fetch) {
	for range 3 {
		require.Empty(f.a.t, f.step(true, false), "a whole session")
		if due = f.b.Fetches(); len(due) > 0 {
			break
		}
	}
	return due
}

var large = strings.Repeat("large", replica.MaxGossipValue)

func TestALargeValueIsFetchedInTheMidstOfABulkLoad(t *testing.T) {
	f := newFlow(t)
	f.run(5*time.Second, true)
	f.a.put("large", large)
	due := f.untilFetch()
	require.Len(t, due, 1, "soon")
	require.Equal(t, "a", due[0].Peer)
	require.EqualValues(t, 1, due[0].Wants[0].Ranges.Count())
	require.Empty(t, f.b.Fetches(), "told once")
	asks, answers := fetch(t, f.b, f.a, due[0].Wants...)
	requireFetched(t, asks, answers)
	require.Equal(t, large, f.b.get("large"))
	require.EqualValues(t, 1, asks.Stats().Received)
	f.b.tick()
	require.Zero(t, f.b.Gaps(), "filled")
}

// One that is filled does not make the next one wait, or be asked of somebody else.
// What a neighbour has announced is fetched of it at once, as nothing else brings it.
func TestALargeValueIsFetchedAtOnce(t *testing.T) {
	f := newFlow(t)
	for i := range 3 { // each anew
		f.a.put("large", fmt.Sprint(i, large))
		gossip(t, f.a, f.b)
		require.Zero(t, f.b.NextTick(f.b.now(), time.Second))
		require.Empty(t, f.b.tick(), "a whole session")
		due := f.b.Fetches()
		require.Len(t, due, 1)
		require.Equal(t, "a", due[0].Peer)
		fetch(t, f.b, f.a, due[0].Wants...)
		require.Equal(t, fmt.Sprint(i, large), f.b.get("large"))
		require.Empty(t, f.b.tick())
		require.Empty(t, f.b.Fetches())
	}
	require.Zero(t, f.b.Gaps())
}

// Whoever announces again and again what is not to be had is not asked each time.
func TestWhatIsNotThereIsNotFetchedAtOnceAgain(t *testing.T) {
	f := newFlow(t)
	fetches := 0
	for range 100 {
		f.a.put("large", large)
		gossip(t, f.a, f.b)
		f.b.tick()
		for _, due := range f.b.Fetches() {
			f.b.DialFetch(f.b.now(), due).Abort(f.b.now(), errCut)
			fetches++
		}
		wait(time.Millisecond, f.a, f.b)
	}
	require.Equal(t, 1, fetches)
	sync(t, f.b, f.a)
	f.a.put("large", "another"+large)
	gossip(t, f.a, f.b)
	f.b.tick()
	require.Len(t, f.b.Fetches(), 1, "the gap was closed meanwhile")
}

// Nor in the midst of a bulk load, where nothing but fetches closes gaps.
func TestWhatIsNotThereIsFetchedAFewTimesUnderLoad(t *testing.T) {
	f := newFlow(t)
	f.run(5*time.Second, true)
	fetches := 0
	for range 60 {
		f.a.put("large", large)
		f.step(true, false)
		for _, due := range f.b.Fetches() {
			f.b.DialFetch(f.b.now(), due).Abort(f.b.now(), errCut)
			fetches++
		}
	}
	require.LessOrEqual(t, fetches, 7, "in six seconds")
	require.Greater(t, fetches, 3, "it may have been in vain by chance")
}

// A session that would bring the same waits for a fetch that is under way, but not for ever.
func TestASessionWaitsForAFetchUnderWay(t *testing.T) {
	f := newFlow(t)
	for _, cut := range []bool{true, false} {
		f.a.put("large", fmt.Sprint(cut, large))
		gossip(t, f.a, f.b)
		f.b.tick()
		s := f.b.DialFetch(f.b.now(), f.b.Fetches()[0])
		for range 45 {
			wait(100*time.Millisecond, f.a, f.b)
			require.Empty(t, f.b.tick(), "it would send the same once more")
		}
		if cut {
			s.Abort(f.b.now(), errCut)
			require.Less(t, f.b.NextTick(f.b.now(), time.Minute), time.Second)
		}
		dial, after := f.b.untilDial(10 * time.Second)
		require.Equal(t, []string{"a"}, dial)
		require.Less(t, after, 2*time.Second)
		sync(t, f.b, f.a)
		require.Equal(t, fmt.Sprint(cut, large), f.b.get("large"))
	}
}

// Whoever is no neighbour of the writer waits until one is likely to have it.
func TestALargeValueOfADistantWriterIsWaitedFor(t *testing.T) {
	a, b, c := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "c", 3)
	c.PeerUp(c.now(), "b")
	c.untilDial(time.Minute)
	sync(t, c, b)
	a.put("large", large)
	for d := a.Outbox(); d != nil; d = a.Outbox() {
		require.NoError(t, c.Receive(c.now(), "a", "b", d).Refused)
	}
	require.Empty(t, c.tick())
	require.Empty(t, c.Fetches())
	dial, after := c.untilDial(time.Second)
	require.Equal(t, []string{"b"}, dial)
	require.GreaterOrEqual(t, after, 100*time.Millisecond)
}

func TestEachLargeValueIsFetchedOfItsWriter(t *testing.T) {
	f := newFlow(t)
	for _, other := range []string{"c", "d", "e"} {
		f.b.PeerUp(f.b.now(), other)
	}
	wait(5*time.Second, f.a, f.b)
	f.b.tick()
	f.run(5*time.Second, true)
	for i := range 20 {
		f.a.put(fmt.Sprint("large", i), large)
		due := f.untilFetch()
		require.Len(t, due, 1, "value %d", i)
		require.Equal(t, "a", due[0].Peer)
		fetch(t, f.b, f.a, due[0].Wants...)
		require.Equal(t, large, f.b.get(fmt.Sprint("large", i)))
	}
}

// What a fetch does not bring is asked for a few times, by and by of others, and then left to a session.
func TestAFetchInVainIsNotRepeatedForEver(t *testing.T) {
	f := newFlow(t)
	f.run(5*time.Second, true)
	f.a.put("large", large)
	fetches, dialled := 0, false
	for range 150 {
		dialled = len(f.step(true, false)) > 0 || dialled
		for _, due := range f.b.Fetches() {
			s := f.b.DialFetch(f.b.now(), due)
			s.Abort(f.b.now(), errCut)
			fetches++
		}
	}
	require.Equal(t, 3, fetches)
	require.True(t, dialled)
	require.EqualValues(t, 3, f.b.Stats().Sessions.Unfetched)
	require.Zero(t, f.b.Stats().Sessions.Failed)
}

// There is one fetch of a peer at a time.
func TestAFetchUnderWayIsWaitedFor(t *testing.T) {
	f := newFlow(t)
	f.run(5*time.Second, true)
	f.a.put("large", large)
	due := f.untilFetch()
	require.Len(t, due, 1)
	s := f.b.DialFetch(f.b.now(), due[0])
	for range 20 {
		f.step(true, false)
		require.Empty(t, f.b.Fetches())
	}
	s.Abort(f.b.now(), errCut)
	f.step(true, false)
	require.Len(t, f.b.Fetches(), 1)
}

// Where more is missing than a fetch may ask for, a session is due, which says by contexts what.
func TestALongGapIsNotFetched(t *testing.T) {
	f := newFlow(t)
	f.run(5*time.Second, true)
	for i := range 300 {
		f.a.put(fmt.Sprint("l", i), "lost")
	}
	for f.a.Outbox() != nil {
	}
	for range 50 {
		f.step(true, false)
		require.Empty(t, f.b.Fetches())
	}
	require.Equal(t, 1, f.b.Gaps())
}

func TestAFetchBringsWhatIsThereAndNothingElse(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "old") // seq 2: the first one says who writes
	a.put("l", "v")
	a.put("k", "new")
	a.del("l")
	asks, answers := fetch(t, b, a, spanOf(a, 2, 4), crdt.Span{Actor: 12345, Ranges: crdt.Ranges{{Lo: 1, Hi: 9}}})
	requireFetched(t, asks, answers)
	require.Equal(t, "new", b.get("k"))
	require.Equal(t, crdt.Ranges{{Lo: 4, Hi: 4}}, b.Map().Context().Of(a.Actor()), "what was overwritten counts as missing")
	require.Zero(t, b.Map().Context().Max(12345))
	sync(t, b, a)
	require.True(t, a.Map().Context().Equal(b.Map().Context()))
}

// A value above the size of a frame comes in several.
func TestManyLargeValuesAreFetchedTogether(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	for i := range 10 {
		a.put(fmt.Sprint("large", i), large)
	}
	asks, answers := fetch(t, b, a, spanOf(a, 1, 11))
	requireFetched(t, asks, answers)
	for i := range 10 {
		require.Equal(t, large, b.get(fmt.Sprint("large", i)))
	}
}

// Who is asked may have wanted a session, and still does.
func TestAFetchTakesNoSessionsPlace(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	a.PeerUp(a.now(), "b")
	_, answers := fetch(t, b, a, spanOf(a, 1, 2))
	requireFetched(t, answers)
	require.Equal(t, []string{"b"}, a.tick())

	c := newNode(t, "c", 3)
	accepted := c.Accept(c.now(), "b")
	c.PeerUp(c.now(), "b") // it is said to be there while it asks
	asks := b.DialFetch(b.now(), replica.Fetch{Peer: "c", Wants: []crdt.Span{spanOf(a, 9, 9)}})
	run(t, asks, accepted, b, c)
	requireFetched(t, asks, accepted)
	dial, _ := c.untilDial(2 * time.Second)
	require.Equal(t, []string{"b"}, dial)
}

func TestReadersAreFetchedNothingOf(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	asks, answers := b.DialFetch(b.now(), replica.Fetch{Peer: "a", Wants: []crdt.Span{spanOf(a, 1, 2)}}), a.Accept(a.now(), "b")
	asks.Only(replica.Give)
	answers.Only(replica.Take)
	run(t, asks, answers, b, a)
	requireFetched(t, asks, answers)
	require.Empty(t, b.get("k"))

	l := &liar{t, b, b.DialFetch(b.now(), replica.Fetch{Peer: "liar", Wants: []crdt.Span{{Actor: liarActor, Ranges: crdt.Ranges{{Lo: 1, Hi: 1}}}}})}
	l.s.Only(replica.Give)
	require.ErrorIs(t, l.say(l.hello(), lastEntries(forge(lwwmap.Data, "x", "v", liarActor, 1))), replica.ErrProtocol)
	require.Empty(t, b.get("x"))
}

// Who is asked cannot do more than send entries that were asked for.
func TestAFetchIsNoWayIn(t *testing.T) {
	want := crdt.Span{Actor: liarActor, Ranges: crdt.Ranges{{Lo: 2, Hi: 3}}}
	for name, frames := range map[string][]replica.Frame{
		"another write": {lastEntries(forge(lwwmap.Data, "k", "v", liarActor, 4))},
		"despite":       {&replica.Entries{Despite: true, Last: true}},
		"context":       {claim(want)},
		"status":        {&replica.Status{}},
		"audit":         {&replica.Tops{}},
		"leaves":        {&replica.Leaves{}},
		"items":         {&replica.Items{Last: true}},
		"merged":        {&replica.Finish{State: replica.Merged}},
		"second hello":  {&replica.Hello{Version: replica.Version, Registry: "test"}},
	} {
		a := newNode(t, "a", 1)
		l := &liar{t, a, a.DialFetch(a.now(), replica.Fetch{Peer: "liar", Wants: []crdt.Span{want}})}
		require.ErrorIs(t, l.say(append([]replica.Frame{l.hello()}, frames...)...), replica.ErrProtocol, name)
		require.Empty(t, a.get("k"), name)
	}
	asking := func(n *node) *replica.Hello {
		hello := (&liar{n: n}).hello()
		hello.Wants = []crdt.Span{want}
		return hello
	}
	for name, frame := range map[string]replica.Frame{"entries": lastEntries(), "context": claim(want), "status": &replica.Status{}} {
		a := newNode(t, "a", 1)
		a.put("k", "v")
		l := lieTo(a, true)
		require.NoError(t, l.say(asking(a)))
		require.ErrorIs(t, l.say(frame), replica.ErrProtocol, name)
	}
	a := newNode(t, "a", 1)
	require.ErrorIs(t, lieTo(a, false).say(asking(a)), replica.ErrProtocol, "an answer that asks")
}

func TestWhatAFetchMayAskForIsBounded(t *testing.T) {
	hello := &replica.Hello{Version: replica.Version}
	for i := range 17 {
		hello.Wants = append(hello.Wants, crdt.Span{Actor: crdt.Actor(1<<63 + uint64(i)), Ranges: crdt.Ranges{{Lo: 1 << 62, Hi: 1 << 63}}})
	}
	data, err := replica.EncodeFrame(nil, hello)
	require.NoError(t, err)
	_, err = replica.DecodeFrame(data)
	require.ErrorIs(t, err, replica.ErrProtocol)
	hello.Wants = hello.Wants[:16]
	data, err = replica.EncodeFrame(nil, hello)
	require.NoError(t, err)
	require.Less(t, len(data), 540, "it has to fit into the first frame of a stream")
	_, err = replica.DecodeFrame(data)
	require.NoError(t, err)
}

// However much was fetched before, a session makes replicas what it makes of them without.
func TestAFetchChangesNothingThatASessionComesTo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plain, fetched := [2]*node{newNode(t, "a", 1), newNode(t, "b", 2)}, [2]*node{newNode(t, "a", 1), newNode(t, "b", 2)}
		for range rapid.IntRange(0, 30).Draw(rt, "writes") {
			i, key := rapid.IntRange(0, 1).Draw(rt, "writer"), fmt.Sprint(rapid.IntRange(0, 4).Draw(rt, "key"))
			isDelete := rapid.IntRange(0, 3).Draw(rt, "delete") == 0
			for _, n := range []*node{plain[i], fetched[i]} {
				if wait(time.Millisecond, n); isDelete {
					n.del(key)
				} else {
					n.put(key, fmt.Sprint(n.elapsed))
				}
			}
		}
		for range rapid.IntRange(0, 5).Draw(rt, "fetches") {
			to := rapid.IntRange(0, 1).Draw(rt, "to")
			lo := rapid.Uint64Range(1, 20).Draw(rt, "lo")
			if of := fetched[1-to]; of.Actor() != 0 {
				asks, answers := fetch(t, fetched[to], of, spanOf(of, lo, lo+rapid.Uint64Range(0, 20).Draw(rt, "more")))
				requireFetched(t, asks, answers)
			}
		}
		sync(t, plain[0], plain[1])
		sync(t, fetched[0], fetched[1])
		for i := range plain {
			for k := range 5 {
				require.Equal(t, plain[i].get(fmt.Sprint(k)), fetched[i].get(fmt.Sprint(k)))
			}
			require.Equal(t, plain[i].Map().Context().Count(), fetched[i].Map().Context().Count())
		}
	})
}

// A fetch of what there is no room for is not repeated.
func TestWhatHasNoRoomIsFetchedOnce(t *testing.T) {
	a, b := newNode(t, "a", 1), newLimited(t, "b", 2, roomy)
	b.PeerUp(b.now(), "a")
	for range 6 { // sessions that fail, so that the next one has to wait
		b.untilDial(time.Minute)
		b.Dial(b.now(), "a").Abort(b.now(), errCut)
	}
	wait(b.elapsed, a)
	a.put("first", "v")
	a.put("large", strings.Repeat("v", roomy))
	gossip(t, a, b)
	fetches := 0
	for range 500 {
		wait(10*time.Millisecond, a, b)
		b.tick()
		for _, due := range b.Fetches() {
			fetch(t, b, a, due.Wants...)
			fetches++
		}
	}
	require.Equal(t, 1, fetches)
	require.EqualValues(t, 1, b.Stats().Refused.Full)
}

// While a session has to wait and a fetch is under way there is nothing to do.
func TestAWaitForAFetchIsNoBusyOne(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.PeerUp(b.now(), "a")
	for range 6 { // sessions that fail
		b.untilDial(time.Minute)
		b.Dial(b.now(), "a").Abort(b.now(), errCut)
	}
	a.put("first", "v")
	wait(b.elapsed, a)
	gossip(t, a, b)
	a.put("large", large)
	gossip(t, a, b)
	fetches, busy := 0, 0
	for end := b.elapsed + 5*time.Second; b.elapsed < end; {
		next := b.NextTick(b.now(), time.Second)
		if next == 0 {
			busy++
		}
		b.elapsed += max(next, time.Millisecond)
		b.tick()
		for _, due := range b.Fetches() {
			b.DialFetch(b.now(), due)
			fetches++
		}
	}
	require.Equal(t, 1, fetches)
	require.Less(t, busy, 10)
}

// An answer to a fetch is no exchange that found both equal, whatever the peer says.
func TestAFetchVerifiesNothing(t *testing.T) {
	a := newNode(t, "a", 1)
	a.put("k", "v")
	l := lieTo(a, true)
	hello := l.hello()
	hello.Wants = []crdt.Span{spanOf(a, 1, 2)}
	require.NoError(t, l.say(hello))
	require.ErrorIs(t, l.say(&replica.Finish{State: replica.Equal}), replica.ErrProtocol)
	require.Zero(t, a.Stats().Sessions.Equal)
}

func TestAnswersLeaveWhatWasAskedForAsItIs(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	a.put("l", "v")
	asks := b.DialFetch(b.now(), replica.Fetch{Peer: "a", Wants: []crdt.Span{spanOf(a, 1, 3)}})
	answers := a.Accept(a.now(), "b")
	for _, ends := range [][2]*replica.Session{{asks, answers}, {answers, asks}} { // without the codec
		for f, ok := ends[0].Next(a.now()); ok; f, ok = ends[0].Next(a.now()) {
			require.NoError(t, ends[1].Handle(a.now(), f))
		}
	}
	requireFetched(t, asks, answers)
	require.Equal(t, "v", b.get("l"))
}
