package replica_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

func TestHellosThatDoNotFitEndTheSession(t *testing.T) {
	for name, spoil := range map[string]func(*replica.Hello){
		"registry": func(h *replica.Hello) { h.Registry = "other" },
		"clock":    func(h *replica.Hello) { h.Clock = hlc.FromTime(start.Add(hlc.DefaultMaxSkew + time.Millisecond)) },
		"wall":     func(h *replica.Hello) { h.Wall = h.Clock + 1<<16 },
	} {
		t.Run(name, func(t *testing.T) {
			a := newNode(t, "a", 1)
			l := lieTo(a, true)
			h := l.hello()
			spoil(h)
			require.Error(t, l.s.Handle(a.now(), h))
			require.Equal(t, replica.Failed, l.state())
			require.Equal(t, hlc.FromTime(start), a.latest(), "the clock was not moved")
		})
	}
}

func TestNothingIsNoFrame(t *testing.T) {
	l := lieTo(newNode(t, "a", 1), true)
	require.NoError(t, l.say(l.hello()))
	require.ErrorIs(t, l.s.Handle(l.n.now(), nil), replica.ErrProtocol)
	require.ErrorIs(t, l.s.Handle(l.n.now(), nil), replica.ErrProtocol, "it stays failed")
}

// A context of many ranges travels in parts, an actor's cut where it must be.
func TestALongContextTravelsInParts(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	b.put("l", "w")
	for i := range uint64(5000) {
		seq := 2*i + 1
		a.Map().Context().AddRanges(crdt.Actor(7+i%3), crdt.Ranges{{Lo: seq, Hi: seq}})
	}
	sync(t, a, b)
	require.True(t, a.Map().Context().Equal(b.Map().Context()))
	require.Greater(t, b.Map().Context().Fragments(), 5000)
}

func TestEntriesOfAllSizesFitTheirFrames(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	for i, n := range []int{0, 1, 60_000, 100, 120_000, 10, 1 << 20, 5, 1 << 20, 0} {
		a.put(fmt.Sprint(i), strings.Repeat("v", n))
	}
	x, y := a.Dial(a.now(), "b"), b.Accept(b.now(), "a")
	for more := true; more; {
		more = false
		for _, from := range []*replica.Session{x, y} {
			if f, ok := from.Next(a.now()); ok {
				more = true
				data, err := replica.EncodeFrame(nil, f)
				require.NoError(t, err)
				require.LessOrEqual(t, len(data), replica.FrameLimit(1<<20))
				to := map[*replica.Session]*replica.Session{x: y, y: x}[from]
				require.NoError(t, to.Handle(a.now(), f))
			}
		}
	}
	requireEqual(t, a, b)
	require.Len(t, b.get("8"), 1<<20)
}

// The wall clock is set back during the session by more than a peer may be
// ahead: then what the peer's context names may not be taken over.
func TestAClockSetBackDuringASessionMergesNothing(t *testing.T) {
	a := newNode(t, "a", 1)
	a.put("k", "v")
	l := lieTo(a, true)
	ghost := claim(crdt.Span{Actor: 5, Ranges: crdt.Ranges{{Lo: 1, Hi: 9}}})
	require.NoError(t, l.say(l.hello(), ghost, lastEntries()))
	s := l.status()
	a.elapsed = -2 * time.Minute
	_ = l.say(&replica.Status{Root: s.Root, Sent: s.Got, Got: s.Sent})
	require.Equal(t, replica.Failed, l.state())
	_, err := l.s.State()
	require.ErrorIs(t, err, hlc.ErrSkew)
	require.Zero(t, a.Map().Context().Max(5))
}

// Whose clock is refused learns by whom, before it learns that: a node that is not heard of again could not be told from a
// stranger. It does not learn the state, so it cannot take the two for equal.
func TestAnAcceptorThatRefusesAClockSaysHello(t *testing.T) {
	a := newNode(t, "a", 1)
	l := lieTo(a, true)
	hello := l.hello()
	hello.Clock = hlc.FromTime(a.now().Wall.Add(time.Hour))
	hello.Wall = hello.Clock
	require.ErrorIs(t, l.say(hello), hlc.ErrSkew)
	heard := l.hear()
	require.Len(t, heard, 2)
	require.IsType(t, &replica.Hello{}, heard[0])
	require.Zero(t, heard[0].(*replica.Hello).State)
	require.IsType(t, &replica.Finish{}, heard[1])
	require.Contains(t, heard[1].(*replica.Finish).Why, "clock")
}

// sameBucket returns two keys of one bucket of the digest tree.
func sameBucket() (string, string) {
	seen := map[lwwmap.Bucket]string{}
	for i := 0; ; i++ {
		key := fmt.Sprint("key ", i)
		b := lwwmap.BucketOf(lwwmap.Data, key)
		if other, ok := seen[b]; ok {
			return other, key
		}
		seen[b] = key
	}
}

// What was exchanged before an audit is part of it.
func TestAnAuditAfterAnExchange(t *testing.T) {
	one, other := sameBucket()
	for _, dials := range []bool{true, false} {
		a, b := newNode(t, "a", 1), newNode(t, "b", 2)
		a.put(one, "v")
		a.put(other, "v")
		sync(t, a, b)
		b = b.damaged(func(key string) bool { return key == other })
		wait(time.Second, a, b)
		a.put(one, "of a")
		b.put("third", "of b")
		if dials {
			sync(t, a, b)
		} else {
			sync(t, b, a)
		}
		require.Equal(t, "of a", b.get(one))
		require.Equal(t, "v", b.get(other))
		require.Equal(t, "of b", a.get("third"))
		require.EqualValues(t, 1, a.Stats().Sessions.Audits)
	}
}

// One side has lost the higher entry of a key and then got a lower one that it
// had not seen: the higher one comes back in its place.
func TestALostEntryComesBackOverALowerOne(t *testing.T) {
	for _, dials := range []bool{true, false} {
		a, b, c := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "c", 3)
		a.put("own", "v")
		c.put("k", "lower")
		fromC := c.Outbox()
		require.NoError(t, b.Receive(b.now(), "c", "c", fromC).Refused)
		wait(time.Second, a, b)
		b.put("k", "higher")
		gossip(t, b, a)
		a = a.damaged(func(key string) bool { return key == "k" })
		require.NoError(t, a.Receive(a.now(), "c", "c", fromC).Refused)
		require.Equal(t, "lower", a.get("k"))
		if dials {
			sync(t, a, b)
		} else {
			sync(t, b, a)
		}
		require.Equal(t, "higher", a.get("k"))
		require.Equal(t, "higher", b.get("k"))
		require.EqualValues(t, 1, a.Stats().Restored)
		require.Zero(t, a.Stats().Dropped)
	}
}

// A peer may tell as unseen what this side has seen, or a key twice: odd, but
// no harm.
func TestAPeerThatRepeatsItself(t *testing.T) {
	a := newNode(t, "a", 1)
	a.put("k", "v")
	own := a.Map().Get(lwwmap.Data, "k").Entry()
	x, y := forge(lwwmap.Data, "l", "x", liarActor, 1), forge(lwwmap.Data, "l", "y", liarActor, 2)
	y.Stamp++
	l := lieTo(a, true)
	spans := append(a.Map().Context().Spans(), crdt.Span{Actor: liarActor, Ranges: crdt.Ranges{{Lo: 1, Hi: 2}}})
	if spans[0].Actor > spans[1].Actor {
		spans[0], spans[1] = spans[1], spans[0]
	}
	require.NoError(t, l.say(l.hello(), claim(spans...), lastEntries(own, x, y, x)))
	require.NoError(t, l.agree())
	require.Equal(t, replica.Merged, l.state())
	require.Equal(t, "y", a.get("l"))
	require.Equal(t, "v", a.get("k"))
}

func TestErrorsSayWhatToDo(t *testing.T) {
	a := newNode(t, "a", 1)
	_, _, err := a.Write(a.now(), replica.Write{})
	require.ErrorIs(t, err, replica.ErrKey)
	require.ErrorContains(t, err, "allowed are 1 to 1024")
	_, _, err = a.Write(a.now(), replica.Write{Key: strings.Repeat("k", 1025)})
	require.ErrorIs(t, err, replica.ErrKey)
	_, _, err = a.Write(a.now(), replica.Write{Key: "k", Value: make([]byte, 1<<20+1)})
	require.ErrorIs(t, err, replica.ErrValue)
	require.ErrorContains(t, err, "allowed are 1048576")
	require.Zero(t, a.Actor(), "a refused write changes nothing")

	long := forge(lwwmap.Data, strings.Repeat("k", 1025), "v", liarActor, 1)
	require.EqualError(t, a.Receive(a.now(), "liar", "liar", delta(long)).Refused,
		"replica: entry 000000000000004d:1 refused: key or value over this node's limits")
	a.put("k", "v")
	forged := forge(lwwmap.Data, "x", "v", a.Actor(), 9)
	require.EqualError(t, a.Receive(a.now(), "liar", "liar", delta(forged)).Refused,
		fmt.Sprintf("replica: actor %s is peer a, yet peer liar wrote under it", a.Actor()))
	require.Equal(t, "unverified", replica.Unverified.String())
	require.Equal(t, "fetched", replica.Fetched.String())
	require.Equal(t, "unknown", replica.State(99).String())
}

// A write under a lease is refused where the key shows that a later holder,
// whose lease has not arrived, has written already.
func TestALaterHoldersWriteTellsOfItsLease(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	gossip(t, a, b)
	wait(time.Hour, a, b)
	later := b.claim("k", 8)
	require.NoError(t, b.putFenced("k", "later", later))
	e := b.Map().Get(lwwmap.Data, "k").Entry()
	require.NoError(t, a.Receive(a.now(), "b", "b", delta(e)).Refused) // without the lease
	require.ErrorIs(t, a.putFenced("k", "stale", token), replica.ErrLeaseLost)
	require.Equal(t, "later", a.get("k"))
}

// Beyond a bound, own writes that others overtook before they were sent stay
// out of deltas: sessions settle them.
func TestOvertakenWritesAreRememberedWithinBounds(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.fill(0, 3000)
	wait(time.Second, a, b)
	b.fill(0, 3000)
	gossip(t, b, a)
	var seen crdt.Ranges
	for a.Pending() {
		if d := a.Outbox(); d != nil {
			seen = seen.Union(d.Seqs)
		}
	}
	require.Less(t, seen.Count(), uint64(2500))
	sync(t, a, b)
	require.EqualValues(t, 3001, b.Map().Context().Of(a.Actor()).Count())
}
