package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

func (n *node) tick() []string {
	dial, _ := n.Tick(n.now())
	return dial
}

// untilDial moves the clock on until a session is due, at most for d.
func (n *node) untilDial(d time.Duration) (dial []string, after time.Duration) {
	began := n.elapsed
	for end := n.elapsed + d; n.elapsed < end; n.elapsed += 10 * time.Millisecond {
		if dial := n.tick(); len(dial) > 0 {
			return dial, n.elapsed - began
		}
	}
	return nil, n.elapsed - began
}

func TestTheLowerIdDialsFirst(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.PeerUp(a.now(), "b")
	b.PeerUp(b.now(), "a")
	require.Equal(t, []string{"b"}, a.tick())
	require.Empty(t, a.tick(), "asked once")
	dial, after := b.untilDial(5 * time.Second)
	require.Equal(t, []string{"a"}, dial)
	require.Equal(t, time.Second, after)

	c := newNode(t, "c", 3)
	c.PeerUp(c.now(), "b")
	c.Accept(c.now(), "b") // the other side has dialled meanwhile
	dial, _ = c.untilDial(5 * time.Second)
	require.Empty(t, dial)
}

func TestANodeDoesNotDialItself(t *testing.T) {
	a := newNode(t, "a", 1)
	a.PeerUp(a.now(), "a")
	require.Empty(t, a.Peers())
	require.Empty(t, a.tick())
}

func TestPeersComeAndGo(t *testing.T) {
	a := newNode(t, "a", 1)
	a.PeerUp(a.now(), "c")
	a.PeerUp(a.now(), "b")
	a.PeerUp(a.now(), "c")
	require.Equal(t, []string{"c", "b"}, a.Peers())
	a.PeerDown("c")
	a.PeerDown("never here")
	require.Equal(t, []string{"b"}, a.Peers())
	require.Equal(t, []string{"b"}, a.tick())
}

func TestNoMoreSessionsThanThat(t *testing.T) {
	a := newNode(t, "a", 1)
	var peers []string
	for i := range 10 {
		peers = append(peers, fmt.Sprint("b", i))
		a.PeerUp(a.now(), peers[i])
	}
	dial := a.tick()
	require.Equal(t, peers[:4], dial)
	var open []*replica.Session
	for _, p := range dial {
		open = append(open, a.Dial(a.now(), p))
	}
	require.Empty(t, a.tick())
	require.Equal(t, time.Second, a.NextTick(a.now(), time.Second))
	open[0].Abort(a.now(), fmt.Errorf("cut"))
	require.Equal(t, peers[4:5], a.tick())
}

func TestAFailedSessionIsTriedAgainLaterAndLater(t *testing.T) {
	a := newNode(t, "a", 1)
	a.PeerUp(a.now(), "b")
	require.Equal(t, []string{"b"}, a.tick())
	var last time.Duration
	for i := range 12 {
		a.Dial(a.now(), "b").Abort(a.now(), fmt.Errorf("cut"))
		require.Empty(t, a.tick())
		next := a.NextTick(a.now(), time.Hour)
		require.Positive(t, next)
		dial, after := a.untilDial(2 * time.Minute)
		require.Equal(t, []string{"b"}, dial)
		require.LessOrEqual(t, next, after+10*time.Millisecond)
		nominal := min(500*time.Millisecond<<i, time.Minute)
		require.GreaterOrEqual(t, after, nominal*3/4)
		require.LessOrEqual(t, after, nominal*5/4+10*time.Millisecond)
		last = after
	}
	require.Greater(t, last, 40*time.Second)
	b := newNode(t, "b", 2)
	b.elapsed = a.elapsed
	sync(t, a, b)
	a.Dial(a.now(), "b").Abort(a.now(), fmt.Errorf("cut"))
	_, after := a.untilDial(time.Minute)
	require.Less(t, after, time.Second, "a success starts the count anew")
}

func TestNowAndThenARandomPeer(t *testing.T) {
	a := newNode(t, "a", 1)
	for i := range 5 {
		a.PeerUp(a.now(), fmt.Sprint("b", i))
	}
	var dialled []string
	a.tick()
	a.tick()
	counts := map[string]int{}
	for range 200 {
		dial, after := a.untilDial(time.Minute)
		require.Len(t, dial, 1)
		require.GreaterOrEqual(t, after, replica.DefaultSyncEvery*3/4-time.Second)
		require.LessOrEqual(t, after, replica.DefaultSyncEvery*5/4+time.Second)
		dialled = append(dialled, dial...)
		counts[dial[0]]++
	}
	require.Len(t, counts, 5)
	again := newNode(t, "a", 1)
	for i := range 5 {
		again.PeerUp(again.now(), fmt.Sprint("b", i))
	}
	again.tick()
	again.tick()
	for _, want := range dialled {
		dial, _ := again.untilDial(time.Minute)
		require.Equal(t, []string{want}, dial, "a seed replays")
	}
}

func TestTheNextTickIsWhenSomethingIsDue(t *testing.T) {
	a := newNode(t, "a", 1)
	require.Equal(t, time.Hour, a.NextTick(a.now(), time.Hour))
	a.putFor("k", 90*time.Millisecond)
	require.Equal(t, 90*time.Millisecond, a.NextTick(a.now(), time.Hour))
	a.elapsed = time.Second
	require.Equal(t, time.Millisecond, a.NextTick(a.now(), time.Hour), "overdue, yet never at once")
	a.tick()
	require.Equal(t, time.Hour, a.NextTick(a.now(), time.Hour))
	require.EqualValues(t, 1, a.Stats().Expired)
	last := a.changes[len(a.changes)-1]
	require.True(t, last.Expired)
	require.Equal(t, "k", last.Was.Key())

	b := newNode(t, "b", 2)
	b.PeerUp(b.now(), "a")
	require.Equal(t, time.Second, b.NextTick(b.now(), time.Hour))
	b.elapsed = 2 * time.Second
	require.Zero(t, b.NextTick(b.now(), time.Hour))
	require.Equal(t, []string{"a"}, b.tick())
	next := b.NextTick(b.now(), time.Hour)
	require.LessOrEqual(t, next, replica.DefaultSyncEvery*5/4, "the periodic session")
	require.GreaterOrEqual(t, next, replica.DefaultSyncEvery*3/4-2*time.Second)
}

// lose makes a write whose delta does not arrive.
func (n *node) lose(key string) {
	n.put(key, "lost")
	n.Outbox()
}

func TestAGapAsksWhoeverForwardedWhatLiesBehindIt(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	for _, p := range []string{"c", "d", "e"} {
		b.PeerUp(b.now(), p)
	}
	b.elapsed = 5 * time.Second
	require.Len(t, b.tick(), 3)
	a.put("k", "v")
	gossip(t, a, b)
	a.lose("l")
	a.put("m", "v")
	require.NoError(t, b.Receive(b.now(), "a", "d", a.Outbox()).Refused)
	require.Equal(t, 150*time.Millisecond, b.NextTick(b.now(), time.Second))
	dial, after := b.untilDial(5 * time.Second)
	require.Equal(t, []string{"d"}, dial)
	require.Equal(t, 150*time.Millisecond, after)
	for range 4 { // d did not help: others are asked
		dial, _ = b.untilDial(30 * time.Second)
		require.Len(t, dial, 1)
	}
	sync(t, b, a)
	b.tick()
	require.Zero(t, b.Gaps(), "filled")
}

func TestMessagesThatOvertookEachOtherAreNoGap(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.PeerUp(b.now(), "a")
	b.elapsed = 5 * time.Second
	b.tick()
	a.put("k", "v")
	first := a.Outbox()
	a.put("l", "v")
	second := a.Outbox()
	require.NoError(t, b.Receive(b.now(), "a", "a", second).Refused)
	b.elapsed += 100 * time.Millisecond
	require.NoError(t, b.Receive(b.now(), "a", "a", first).Refused)
	dial, _ := b.untilDial(5 * time.Second)
	require.Empty(t, dial)
}

// A liar can show gaps in the writes of any number of actors.
func TestGapsAreBounded(t *testing.T) {
	a := newNode(t, "a", 1)
	a.PeerUp(a.now(), "b")
	for i := range 100_000 {
		d := &replica.Delta{Actor: crdt.Actor(1000 + i), Announced: crdt.Ranges{{Lo: 1 << 40, Hi: 1 << 40}}}
		require.NoError(t, a.Receive(a.now(), "liar", "liar", d).Refused)
	}
	require.LessOrEqual(t, a.Gaps(), 1024)
	d := &replica.Delta{Actor: 1000, Announced: crdt.Ranges{{Lo: 1 << 41, Hi: 1 << 41}}}
	require.NoError(t, a.Receive(a.now(), "liar", "liar", d).Refused, "known ones go on")
	a.elapsed = 5 * time.Minute
	for range 10 {
		a.elapsed += time.Minute
		a.tick()
	}
	require.Zero(t, a.Gaps(), "and are given up")
}

func TestHousekeepingComesInParts(t *testing.T) {
	a := newNode(t, "a", 1)
	for i := range 1300 {
		a.putFor(fmt.Sprint(i), time.Second)
	}
	for i := range 1300 {
		a.del(fmt.Sprint("d", i))
	}
	a.elapsed = 8 * 24 * time.Hour
	ticks := 0
	for more := true; more; ticks++ {
		_, more = a.Tick(a.now())
	}
	require.Equal(t, 3, ticks)
	require.EqualValues(t, 1300, a.Stats().Expired)
	require.EqualValues(t, 1300, a.Stats().Collected)
	require.Zero(t, a.Map().Len(lwwmap.Data))
	require.Zero(t, a.Map().Tombstones())
}

func TestNothingIsCollectedBeforeTheBeginningOfTime(t *testing.T) {
	a := &node{t: t, name: "a", clock: hlc.NewClock(hlc.Config{})}
	a.Replica = replica.New(replica.Config{Peer: "a", Clock: a.clock, Rand: rand.New(rand.NewPCG(1, 1))}, nil, replica.Instant{Wall: time.UnixMilli(5)})
	_, _, err := a.Write(replica.Instant{Wall: time.UnixMilli(5)}, replica.Write{Key: "k", Delete: true})
	require.NoError(t, err)
	a.Tick(replica.Instant{Wall: time.UnixMilli(10)})
	require.Equal(t, 1, a.Map().Tombstones())
}

func TestASessionOutlivesItsPeersVisit(t *testing.T) {
	a := newNode(t, "a", 1)
	a.PeerUp(a.now(), "b")
	s := a.Dial(a.now(), "b")
	require.Equal(t, "b", s.Peer())
	a.PeerDown("b")
	s.Abort(a.now(), fmt.Errorf("cut"))
	s.Abort(a.now(), fmt.Errorf("twice"))
	require.EqualValues(t, 1, a.Stats().Sessions.Failed)
	require.Empty(t, a.tick())
	a.PeerUp(a.now(), "b")
	require.True(t, slices.Contains(a.tick(), "b"))
}

func TestNoSecondSessionWithAPeerThatDialledBeforeItWasSaidToBeThere(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	dialled, accepted := a.Dial(a.now(), b.name), b.Accept(b.now(), a.name)
	b.PeerUp(b.now(), a.name)
	b.elapsed = time.Minute
	dial, _ := b.Tick(b.now())
	require.Empty(t, dial, "while one is under way")
	accepted.Abort(b.now(), errors.New("cut"))
	dialled.Abort(a.now(), errors.New("cut"))
	b.elapsed += time.Minute
	dial, _ = b.Tick(b.now())
	require.Equal(t, []string{a.name}, dial, "after it failed")
}

// Peers that take a session and never answer, or never come to its end, hold up nobody else.
func TestPeersThatStallKeepNobodyWaiting(t *testing.T) {
	a := newNode(t, "a", 1)
	const peers = 20
	for i := range peers {
		a.PeerUp(a.now(), fmt.Sprintf("b%02d", i))
	}
	dialled := map[string]bool{}
	for range peers {
		dial, _ := a.Tick(a.now())
		require.LessOrEqual(t, len(dial), 4)
		for _, id := range dial {
			a.Dial(a.now(), id)
			dialled[id] = true
		}
		a.elapsed += time.Second
	}
	require.Len(t, dialled, peers)
	require.Positive(t, a.NextTick(a.now(), time.Hour))
}

func TestWhatASessionBroughtIsPassedOn(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	for _, p := range []string{"a", "c", "d"} {
		b.PeerUp(b.now(), p)
	}
	b.elapsed = 2 * time.Second
	require.Len(t, b.tick(), 3)
	a.lose("k")
	sync(t, a, b)
	var dialled []string
	for range 2 {
		dial, after := b.untilDial(time.Second)
		require.LessOrEqual(t, after, time.Second)
		dialled = append(dialled, dial...)
	}
	slices.Sort(dialled)
	require.Equal(t, []string{"c", "d"}, dialled, "gossip does not carry it again")
	sync(t, a, b)
	dial, _ := b.untilDial(5 * time.Second)
	require.Empty(t, dial, "nothing has come")
}

func TestWhatFillsAGapIsNotPassedOn(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	for _, p := range []string{"a", "c", "d"} {
		b.PeerUp(b.now(), p)
	}
	b.elapsed = 2 * time.Second
	require.Len(t, b.tick(), 3)
	a.put("first", "v")
	gossip(t, a, b)
	a.lose("large") // as a value too large for gossip, which all hear of
	a.put("last", "v")
	gossip(t, a, b)
	dial, _ := b.untilDial(time.Second)
	require.Equal(t, []string{"a"}, dial)
	sync(t, b, a)
	dial, _ = b.untilDial(5 * time.Second)
	require.Empty(t, dial)
}
