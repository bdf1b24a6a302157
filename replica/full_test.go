package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const roomy = 256 << 10

// newLimited is newNode for a replica whose entries may weigh no more than most.
func newLimited(t testing.TB, name string, seed uint64, most int64) *node {
	n := &node{t: t, name: name, clock: hlc.NewClock(hlc.Config{})}
	n.Replica = replica.New(replica.Config{Peer: name, Registry: "test", Clock: n.clock, Rand: rand.New(rand.NewPCG(seed, 1)), MaxBytes: most}, nil, n.now())
	return n
}

// fillUp writes until there is no room, and returns how many keys that were.
func (n *node) fillUp(prefix, value string) (keys int) {
	n.t.Helper()
	for ; ; keys++ {
		_, _, err := n.Write(n.now(), replica.Write{Key: fmt.Sprint(prefix, keys), Value: []byte(value)})
		if err != nil {
			require.ErrorIs(n.t, err, replica.ErrFull)
			return keys
		}
	}
}

func TestASingleWriterGetsTwoThirds(t *testing.T) {
	a := newLimited(t, "a", 1, roomy)
	a.fillUp("k", "v")
	require.InDelta(t, roomy*2/3, a.Map().DataWeight(), 512)
	require.Equal(t, a.Map().DataWeight(), a.Map().Share(lwwmap.Data, "a"))
	_, _, err := a.Write(a.now(), replica.Write{Key: "one more", Value: []byte("v")})
	require.EqualError(t, err, fmt.Sprintf("replica: registry is full: it holds %d of %d bytes, %d of them written here, and %d more were to be added, while a writer may have twice what is left; delete something, or allow more on all nodes",
		a.Map().DataWeight(), roomy, a.Map().DataWeight(), 40+8+1+lwwmap.EntryCost))
	require.False(t, a.Map().Context().Has(crdt.Dot{Actor: a.Actor(), Seq: a.Map().Context().Next(a.Actor())}))
}

// What does not grow goes where there is no room, and what goes makes some.
func TestAFullReplicaTakesDeletesAndOverwrites(t *testing.T) {
	a := newLimited(t, "a", 1, roomy)
	keys := a.fillUp("k", "value")
	a.put("k1", "other")
	a.put("k2", "v")
	_, _, err := a.Write(a.now(), replica.Write{Key: "k3", Value: []byte(strings.Repeat("v", 100))})
	require.ErrorIs(t, err, replica.ErrFull, "longer")
	for i := range keys / 2 {
		a.del(fmt.Sprint("k", i))
	}
	a.elapsed += 8 * 24 * time.Hour
	for _, more := a.Tick(a.now()); more; _, more = a.Tick(a.now()) {
	}
	require.Greater(t, a.fillUp("l", "value"), keys/2-3)

	b := newLimited(t, "b", 2, roomy)
	for i := 0; ; i++ {
		if _, _, err = b.Write(b.now(), replica.Write{Key: fmt.Sprint(i), Expires: b.Now(b.now()).Add(time.Minute)}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, replica.ErrFull)
	b.elapsed += 2 * time.Minute
	for _, more := b.Tick(b.now()); more; _, more = b.Tick(b.now()) {
	}
	b.fillUp("k", "v")
}

// hear takes in all that a writer's gossip brings, whatever is refused.
func (n *node) hear(from *node) {
	for d := from.Outbox(); d != nil; d = from.Outbox() {
		n.Receive(n.now(), from.name, from.name, d)
	}
}

func TestAFloodLeavesRoomForOthers(t *testing.T) {
	a, flood, c := newLimited(t, "a", 1, roomy), newNode(t, "flood", 2), newNode(t, "c", 3)
	flood.fill(0, 5000)
	a.hear(flood)
	require.LessOrEqual(t, a.Map().DataWeight(), int64(roomy*2/3))
	require.Equal(t, a.Map().DataWeight(), a.Map().Share(lwwmap.Data, "flood"))
	held := a.Map().Len(lwwmap.Data)
	require.EqualValues(t, 5000-held, a.Stats().Refused.Full)
	require.Zero(t, a.Gaps(), "what was refused is not asked for")
	flood.fill(5000, 6000)
	a.hear(flood)
	require.Equal(t, held, a.Map().Len(lwwmap.Data))

	c.fill(10_000, 10_100)
	a.hear(c)
	require.Equal(t, held+100, a.Map().Len(lwwmap.Data))
	a.put("k", "v")
	b := newLimited(t, "b", 4, roomy)
	pipe(t, b, c) // what others pass on is held to the same
	pipe(t, b, flood)
	require.Equal(t, "v", a.get("k"))
	require.LessOrEqual(t, b.Map().Share(lwwmap.Data, "flood"), int64(roomy*2/3))
	require.Equal(t, c.get("key 010000"), b.get("key 010000"))
}

func TestWhatWasRefusedForRoomComesWhenThereIsSome(t *testing.T) {
	a, b := newNode(t, "a", 1), newLimited(t, "b", 2, roomy)
	for i := range 500 {
		a.putFor(fmt.Sprint("short", i), time.Minute)
	}
	a.fill(0, 1000)
	x, _, _ := pipe(t, a, b)
	state, err := x.State()
	require.Equal(t, replica.Unverified, state)
	require.ErrorIs(t, err, replica.ErrUnverified)
	require.Positive(t, b.Stats().Refused.Full)
	require.Zero(t, b.Stats().Refused.Bounds+b.Stats().Refused.Malformed+b.Stats().Refused.Forged)
	wait(2*time.Minute, a, b)
	for i := range 600 {
		a.del(fmt.Sprintf("key %06d", i))
	}
	wait(8*24*time.Hour, a, b)
	for _, n := range []*node{a, b} {
		for _, more := n.Tick(n.now()); more; _, more = n.Tick(n.now()) {
		}
	}
	sync(t, a, b)
	require.Equal(t, 400, b.Map().Len(lwwmap.Data))
}

// Locks and deletes of others arrive where there is no room for data.
func TestAFullReplicaTakesLeasesAndDeletesOfOthers(t *testing.T) {
	a, b := newNode(t, "a", 1), newLimited(t, "b", 2, roomy)
	a.fill(0, 5000)
	b.hear(a)
	gone := ""
	b.Map().Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
		gone = r.Key()
		return false
	})
	a.del(gone)
	a.claim("lock", 1)
	b.hear(a)
	require.Empty(t, b.get(gone))
	require.Equal(t, 1, b.Map().Len(lwwmap.Lease))
	b.claim("own", 1)
	require.Equal(t, 2, b.Map().Len(lwwmap.Lease))
}

// What is sent although it was seen takes room like anything else: a liar could send it under any dot.
func TestNothingIsTakenBeyondTheLimitDespiteHavingBeenSeen(t *testing.T) {
	a := newLimited(t, "a", 1, roomy)
	flood := newNode(t, "flood", 2)
	flood.fill(0, 5000)
	a.hear(flood)
	weight := a.Map().Weight()
	l := lieTo(a, true)
	f := &replica.Entries{Despite: true}
	for i := range 1000 {
		f.Entries = append(f.Entries, forge(lwwmap.Data, fmt.Sprint("liar", i), "v", flood.Actor(), uint64(2+i)))
	}
	require.NoError(t, l.say(l.hello(), claim(), lastEntries()))
	l.hear()
	require.NoError(t, l.say(f))
	require.Equal(t, weight, a.Map().Weight())
	require.Equal(t, replica.Unverified, l.state())
	require.Positive(t, l.s.Stats().Refused)
}

// A session that brings what there is no room for ends soon, but not before it has brought what others wrote.
func TestASessionInVainIsShort(t *testing.T) {
	a, flood, b := newNode(t, "a", 1), newNode(t, "flood", 2), newLimited(t, "b", 3, roomy)
	flood.fill(0, 20_000)
	a.hear(flood)
	for i := range 8 { // actors on both sides of the flood's
		c := newNode(t, fmt.Sprint("c", i), uint64(10+i))
		c.put(fmt.Sprint("c", i), "v")
		a.hear(c)
	}
	_, _, first := pipe(t, b, a)
	for i := range 8 {
		require.Equal(t, "v", b.get(fmt.Sprint("c", i)))
	}
	require.Greater(t, b.Map().Weight(), int64(roomy/2))
	x, y, later := pipe(t, b, a)
	for _, s := range []*replica.Session{x, y} {
		state, _ := s.State()
		require.Equal(t, replica.Unverified, state)
	}
	require.Less(t, first[1], 512<<10)
	require.Less(t, later[1], 160<<10, "bytes of entries in vain")

	b.PeerUp(b.now(), "a")
	var longest time.Duration
	for range 14 {
		dial, after := b.untilDial(15 * time.Minute)
		require.Equal(t, []string{"a"}, dial)
		longest = max(longest, after)
		wait(b.elapsed-a.elapsed, a)
		pipe(t, b, a)
	}
	require.Greater(t, longest, 5*time.Minute)
	require.LessOrEqual(t, longest, 13*time.Minute)
}

// What is missing of writers of little comes before what is missing of others, whatever the order of their actors.
func TestWhoWritesLittleDoesNotWaitForWhoWritesMuch(t *testing.T) {
	a, flood, b := newNode(t, "a", 1), newNode(t, "flood", 2), newNode(t, "b", 3)
	flood.fill(0, 20_000)
	a.hear(flood)
	for i := range 8 {
		c := newNode(t, fmt.Sprint("c", i), uint64(10+i))
		c.put(fmt.Sprint("c", i), "v")
		a.hear(c)
	}
	l := lieTo(a, true)
	require.NoError(t, l.say(l.hello(), claim()))
	for _, f := range l.hear() {
		if entries, ok := f.(*replica.Entries); ok {
			for i, e := range entries.Entries[:16] {
				require.NotEqual(t, flood.Actor(), e.Dot.Actor, "entry %d", i)
			}
			break
		}
	}
	sync(t, a, b)
	require.Equal(t, 20_008, b.Map().Len(lwwmap.Data))
}

// Each actor that a peer takes is an entry for good: they count, too.
func TestInventedActorsTakeNobodysRoom(t *testing.T) {
	a, c := newLimited(t, "a", 1, roomy), newNode(t, "c", 3)
	for i := range 20_000 {
		wait(time.Second, a) // gossip brings one a second
		origin := replica.Origin("flood", [16]byte{byte(i), byte(i >> 8)}, a.latest())
		a.Receive(a.now(), "flood", "flood", &replica.Delta{Actor: origin.Dot.Actor, Seqs: crdt.Ranges{{Lo: 1, Hi: 1}}, Entries: []lwwmap.Entry{origin}})
	}
	require.LessOrEqual(t, a.Map().Share(lwwmap.Origin, "flood"), int64(roomy/4*2/3))
	require.Positive(t, a.Stats().Refused.Full)
	wait(a.latest().Sub(c.latest()), c)
	c.fill(0, 100)
	a.hear(c)
	require.Equal(t, c.get("key 000099"), a.get("key 000099"))
	require.Equal(t, "c", a.Writer(c.Actor()))
}

// An entry is refused for no other reason than room, and leaves no trace.
func TestARefusalForRoomIsNobodysFault(t *testing.T) {
	a, b := newNode(t, "a", 1), newLimited(t, "b", 2, roomy)
	a.fill(0, 5000)
	var last error
	for d := a.Outbox(); d != nil; d = a.Outbox() {
		if err := b.Receive(b.now(), "a", "a", d).Refused; err != nil {
			last = err
		}
	}
	var unfit *replica.EntryError
	require.ErrorIs(t, last, replica.ErrFull)
	require.False(t, errors.As(last, &unfit), "its neighbours may have room")
	seen, held := b.Map().Context().Of(a.Actor()).Count(), b.Map().Len(lwwmap.Data)+b.Map().Len(lwwmap.Origin)
	require.EqualValues(t, held, seen)
}

// Whatever writers do, the weight and each one's share are those of the records that are there, and stay within the limit.
func TestSharesAreThoseOfTheRecords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const most = 8 << 10
		names := []string{"a", "b", "c"}
		var nodes []*node
		for i, name := range names {
			nodes = append(nodes, newLimited(t, name, uint64(i+1), most))
		}
		for range rapid.IntRange(1, 120).Draw(rt, "steps") {
			n := nodes[rapid.IntRange(0, 2).Draw(rt, "node")]
			key := fmt.Sprint(rapid.IntRange(0, 60).Draw(rt, "key"))
			switch rapid.IntRange(0, 8).Draw(rt, "step") {
			case 0, 1, 2:
				_, _, err := n.Write(n.now(), replica.Write{Key: key, Value: make([]byte, rapid.IntRange(0, 400).Draw(rt, "size"))})
				require.True(t, err == nil || errors.Is(err, replica.ErrFull) || errors.Is(err, replica.ErrLocked), "%v", err)
			case 3:
				_, _, err := n.Write(n.now(), replica.Write{Key: key, Expires: n.Now(n.now()).Add(time.Second)})
				require.True(t, err == nil || errors.Is(err, replica.ErrFull) || errors.Is(err, replica.ErrLocked), "%v", err)
			case 4:
				if n.get(key) != "" {
					_, _, err := n.Write(n.now(), replica.Write{Key: key, Delete: true})
					require.True(t, err == nil || errors.Is(err, replica.ErrLocked), "%v", err)
				}
			case 5:
				for d := n.Outbox(); d != nil; d = n.Outbox() {
					for _, to := range nodes {
						if to != n {
							to.Receive(to.now(), n.name, n.name, d)
						}
					}
				}
			case 6:
				if _, err := n.Claim(n.now(), key, uint64(len(key)), time.Second, nil); err != nil {
					require.True(t, errors.Is(err, replica.ErrFull) || errors.Is(err, replica.ErrLocked), "%v", err)
				}
			case 7:
				if to := nodes[rapid.IntRange(0, 2).Draw(rt, "peer")]; to != n {
					pipe(t, n, to)
				}
			default:
				wait(time.Duration(rapid.IntRange(1, 700).Draw(rt, "ms"))*time.Millisecond, nodes...)
				n.Tick(n.now())
			}
			for _, n := range nodes {
				data, meta := map[string]int64{}, map[string]int64{}
				for _, kind := range []lwwmap.Kind{lwwmap.Data, lwwmap.Lease, lwwmap.Origin} {
					n.Map().Ascend(kind, "", "", func(r lwwmap.Record) bool {
						e := r.Entry()
						require.Equal(t, r.Weight(), e.Weight())
						of := data
						if kind != lwwmap.Data {
							of = meta
						}
						of[n.Writer(r.Dot().Actor)] += r.Weight()
						of["all"] += r.Weight()
						return true
					})
				}
				require.Equal(t, data["all"]+meta["all"], n.Map().Weight())
				require.Equal(t, data["all"], n.Map().DataWeight())
				require.LessOrEqual(t, data["all"], int64(most+60*40), "fence and expiry of what is there come on top")
				require.LessOrEqual(t, meta["all"], int64(most/4+256), "so does its own origin")
				for _, name := range names {
					require.Equal(t, data[name], n.Map().Share(lwwmap.Data, name), "%s on %s", name, n.name)
					require.Equal(t, meta[name], n.Map().Share(lwwmap.Lease, name), "%s on %s", name, n.name)
				}
			}
		}
	})
}

// Neither a dot that is used twice nor a stamp brings in what there is no room for.
func TestNothingGrowsUnseen(t *testing.T) {
	long := strings.Repeat("v", 10_000)
	for name, second := range map[string]func(*lwwmap.Entry){
		"the same dot":   func(e *lwwmap.Entry) { e.Stamp++ },
		"the same stamp": func(e *lwwmap.Entry) { e.Dot.Seq += 1000 },
	} {
		a := newLimited(t, "a", 1, roomy)
		for i := range 100 {
			e := forge(lwwmap.Data, fmt.Sprint("k", i), "v", liarActor, uint64(1+i))
			a.Receive(a.now(), "liar", "liar", delta(e))
			second(&e)
			e.Value = []byte(long)
			a.Receive(a.now(), "liar", "liar", delta(e))
		}
		require.LessOrEqual(t, a.Map().Weight(), int64(roomy), name)
		require.Positive(t, a.Stats().Refused.Full, name)
	}
}

// Locks have room of their own: they take none from data, and data none from them.
func TestLocksAndDataTakeNoRoomFromEachOther(t *testing.T) {
	a := newLimited(t, "a", 1, roomy)
	n, err := 0, error(nil)
	for ; err == nil; n++ {
		_, err = a.Claim(a.now(), fmt.Sprint("lock", n), 1, time.Minute, nil)
	}
	require.ErrorIs(t, err, replica.ErrFull)
	require.ErrorContains(t, err, "bytes of locks")
	require.Greater(t, n, 100)
	for i := range 20 {
		locker := newNode(t, fmt.Sprint("l", i), uint64(10+i))
		for j := range 100 {
			locker.claim(fmt.Sprint(i, "/", j), 1)
		}
		a.hear(locker)
	}
	require.LessOrEqual(t, a.Map().Weight(), int64(roomy/4+512))
	a.fillUp("k", "v")
	require.InDelta(t, roomy*2/3, a.Map().DataWeight(), 512)

	w, b := newNode(t, "w", 2), newLimited(t, "b", 3, roomy)
	w.fill(0, 5000)
	b.hear(w)
	x := newNode(t, "x", 4)
	x.fill(5000, 10_000)
	b.hear(x)
	w.claim("lock", 1)
	b.hear(w)
	_, err = b.Claim(b.now(), "lock", 2, time.Minute, nil)
	require.ErrorIs(t, err, replica.ErrLocked, "the largest writer's locks are heard")
}

// In a session entries come in anybody's name. What is forged takes no room from whose name it bears, on his own replica.
func TestForgedWritesTakeNoRoomFromOnesOwn(t *testing.T) {
	a := newLimited(t, "a", 1, roomy)
	origin := replica.Origin("a", [16]byte{7}, a.latest())
	f := &replica.Entries{Entries: []lwwmap.Entry{origin}}
	for i := range 5000 {
		f.Entries = append(f.Entries, forge(lwwmap.Data, fmt.Sprint("forged", i), "v", origin.Dot.Actor, uint64(2+i)))
	}
	l := lieTo(a, true)
	require.NoError(t, l.say(l.hello(), claim(), f, lastEntries()))
	require.Equal(t, "a", a.Writer(origin.Dot.Actor))
	require.Greater(t, a.Map().DataWeight(), int64(roomy/2))
	a.put("k", "v")
	require.Greater(t, a.fillUp("own", "v"), 100)
}

func TestAVeryHighLimitIsNone(t *testing.T) {
	a, b := newLimited(t, "a", 1, 1<<63-1), newLimited(t, "b", 2, 1<<63-1)
	a.fill(0, 100)
	a.claim("lock", 1)
	b.hear(a)
	require.Equal(t, 100, b.Map().Len(lwwmap.Data))
	require.Equal(t, 1, b.Map().Len(lwwmap.Lease))
}

// Two write much, and one of them without end: a replica that comes later gets what there is room for of the other, too.
func TestALateComerGetsWhatOthersWrote(t *testing.T) {
	for seed := range uint64(6) { // the order of actors differs
		a, flood, c, b := newNode(t, "a", 1+seed), newNode(t, "flood", 20+seed), newNode(t, "c", 40+seed), newLimited(t, "b", 60+seed, roomy)
		flood.fill(0, 5000)
		for range 11 {
			c.fill(10_000, 10_100)
		}
		big := newNode(t, "big", 80+seed)
		big.put("big", strings.Repeat("v", roomy))
		for _, n := range []*node{flood, c} {
			for d := n.Outbox(); d != nil; d = n.Outbox() {
				a.Receive(a.now(), n.name, n.name, d)
			}
		}
		sync(t, a, big)
		b.PeerUp(b.now(), "a")
		a.PeerUp(a.now(), "b")
		sessions := 0
		for ; b.get("key 010099") == ""; sessions++ {
			require.Less(t, sessions, 60, "seed %d", seed)
			b.untilDial(15 * time.Minute)
			wait(b.elapsed-a.elapsed, a)
			pipe(t, b, a)
		}
		t.Logf("seed %d: %d sessions", seed, sessions)
		b.put("own", "v")
		pipe(t, b, a)
		require.Equal(t, "v", a.get("own"))
	}
}

// What a write is said to add is no less than what it does add, whatever fence it takes over.
func TestGrowthIsNoLessThanWhatAWriteAdds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := newLimited(t, "a", 1, 1<<30)
		var tokens [3]lwwmap.Token
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			i := rapid.IntRange(0, 2).Draw(rt, "key")
			key := fmt.Sprint("k", i)
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0:
				if tokens[i].IsZero() {
					tokens[i] = a.claim(key, 7)
				}
				continue
			case 1:
				if !tokens[i].IsZero() {
					require.NoError(rt, a.Release(a.now(), key, tokens[i]))
					tokens[i] = lwwmap.Token{}
				}
				continue
			case 2:
				wait(time.Hour, a)
				a.Tick(a.now())
				tokens = [3]lwwmap.Token{}
				a.Map().Collect(a.latest(), 100)
				continue
			}
			w := replica.Write{Key: key, Fence: tokens[i], Value: []byte(strings.Repeat("v", rapid.IntRange(0, 9).Draw(rt, "length"))), Delete: rapid.Bool().Draw(rt, "delete")}
			if !w.Delete && rapid.Bool().Draw(rt, "expires") {
				w.Expires = a.Now(a.now()).Add(time.Minute)
			}
			if w.Delete {
				w.Value = nil
			}
			held := a.Map().Get(lwwmap.Data, key)
			if !held.IsZero() && len(w.Value) <= len(held.Value()) {
				continue // it goes in any case
			}
			growth, before := a.Growth(&w), a.Map().DataWeight()
			if _, _, err := a.Write(a.now(), w); err != nil {
				require.ErrorIs(rt, err, replica.ErrLocked)
				continue
			}
			require.LessOrEqual(rt, a.Map().DataWeight()-before, growth)
		}
	})
}
