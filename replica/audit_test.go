package replica_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// damaged returns the node anew after it has lost the keys that lose names:
// its context still says that it has seen them.
func (n *node) damaged(lose func(key string) bool) *node {
	m := lwwmap.New(nil)
	for _, k := range []lwwmap.Kind{lwwmap.Data, lwwmap.Lease, lwwmap.Origin} {
		n.Map().Ascend(k, "", "", func(r lwwmap.Record) bool {
			if k != lwwmap.Data || !lose(r.Key()) {
				m.Apply(r.Entry())
			}
			return true
		})
	}
	m.Context().Join(n.Map().Context())
	horizons := n.Map().Horizons()
	m.Settle(nil, m.Context(), &horizons)
	return n.continued(m)
}

// continued is a node that goes on with a state.
func (n *node) continued(m *lwwmap.Map) *node {
	c := &node{t: n.t, name: n.name, clock: n.clock, elapsed: n.elapsed}
	c.Replica = replica.New(replica.Config{
		Peer: n.name, Registry: "test", Clock: n.clock, Rand: rand.New(rand.NewPCG(99, 1)),
		Notify: func(ch replica.Change) { c.changes = append(c.changes, ch) },
	}, m, c.now())
	return c
}

func (n *node) fill(from, to int) {
	for i := from; i < to; i++ {
		n.put(fmt.Sprintf("key %06d", i), fmt.Sprint("value ", i))
	}
}

func TestWhatOneSideLostComesBack(t *testing.T) {
	for _, dials := range []bool{true, false} {
		a, b := newNode(t, "a", 1), newNode(t, "b", 2)
		a.fill(0, 300)
		a.del("key 000007")
		sync(t, a, b)
		b = b.damaged(func(key string) bool { return strings.HasSuffix(key, "7") })
		require.Equal(t, 270, b.Map().Len(lwwmap.Data))
		if dials {
			sync(t, b, a)
		} else {
			sync(t, a, b)
		}
		require.Equal(t, 299, b.Map().Len(lwwmap.Data))
		require.Equal(t, "value 17", b.get("key 000017"))
		require.EqualValues(t, 29, b.Stats().Restored)
		require.Zero(t, a.Stats().Dropped)
		require.EqualValues(t, 1, a.Stats().Sessions.Audits)
		require.EqualValues(t, 1, b.Stats().Sessions.Audits)
		require.True(t, a.Map().Context().Equal(b.Map().Context()))
	}
}

// Both sides lost something, and both had collected tombstones that cover
// older losses: these are taken for deletes.
func TestLossesUnderTheHorizonAreDeletes(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.fill(0, 100)
	sync(t, a, b)
	b.elapsed += 1000
	b.del("key 000000")
	b.Map().Collect(b.latest(), 10)
	a.elapsed = b.elapsed + 1000
	a.fill(100, 200)
	sync(t, a, b)
	b = b.damaged(func(key string) bool { return strings.HasSuffix(key, "5") })
	sync(t, a, b)
	require.Equal(t, "", a.get("key 000015"))
	require.Equal(t, "value 115", b.get("key 000115"))
	require.EqualValues(t, 1+10, a.Stats().Dropped)
}

func TestAnAuditOfManyBucketsTakesRounds(t *testing.T) {
	if testing.Short() {
		t.Skip("20,000 keys")
	}
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	const keys = 20_000
	a.fill(0, keys)
	sync(t, a, b)
	b = b.damaged(func(key string) bool { return key[len(key)-1]%2 == 0 })
	require.Equal(t, keys/2, b.Map().Len(lwwmap.Data))
	stats := sync(t, b, a)
	require.Greater(t, stats.Rounds, 3+2*2, "some 9,000 buckets differ, and one round settles 4,096 at most")
	require.Equal(t, keys, b.Map().Len(lwwmap.Data))
}

func TestALongKeysAuditFitsTheFrameLimit(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	bucket := lwwmap.BucketOf(lwwmap.Data, "")
	for i := range 200_000 { // some 1,000-byte keys of few buckets
		key := fmt.Sprint(strings.Repeat("k", 1000), i)
		if lwwmap.BucketOf(lwwmap.Data, key)>>8 == bucket>>8 {
			a.put(key, "v")
		}
	}
	sync(t, a, b)
	b = b.damaged(func(string) bool { return true })
	x := a.Dial(a.now(), "b")
	y := b.Accept(b.now(), "a")
	for again := true; again; {
		again = false
		for from, to := range map[*replica.Session]*replica.Session{x: y, y: x} {
			f, ok := from.Next(a.now())
			if !ok {
				continue
			}
			again = true
			data, err := replica.EncodeFrame(nil, f)
			require.NoError(t, err)
			require.LessOrEqual(t, len(data), replica.FrameLimit(0))
			got, err := replica.DecodeFrame(data)
			require.NoError(t, err)
			require.NoError(t, to.Handle(a.now(), got))
		}
	}
	state, err := x.State()
	require.NoError(t, err)
	require.Equal(t, replica.Merged, state)
	requireEqual(t, a, b)
}

func TestTooMuchToAuditInOneSessionIsAuditedInTheNext(t *testing.T) {
	replica.SetMaxOverlay(t, 100)
	for _, dials := range []bool{true, false} {
		a, b := newNode(t, "a", 1), newNode(t, "b", 2)
		a.fill(0, 50)
		sync(t, a, b)
		a = a.damaged(func(key string) bool { return strings.HasSuffix(key, "7") })
		a.fill(100, 400)
		var x *replica.Session
		if dials {
			x, _, _ = pipe(t, a, b)
		} else {
			_, x, _ = pipe(t, b, a)
		}
		state, err := x.State()
		require.Equal(t, replica.Unverified, state)
		require.ErrorIs(t, err, replica.ErrUnverified)
		require.Equal(t, "value 399", b.get("key 000399"))
		require.Zero(t, b.Stats().Sessions.Audits)
		x, _, _ = pipe(t, a, b)
		state, _ = x.State()
		require.Equal(t, replica.Merged, state)
		require.Equal(t, "value 17", a.get("key 000017"))
	}
}

// audited is a liar's session with a node of one key that has come to an audit.
func audited(t *testing.T, dials bool) (*node, *liar) {
	a := newNode(t, "a", 1)
	a.put("k", "v")
	l := lieTo(a, dials)
	require.NoError(t, l.say(l.hello(), claim(a.Map().Context().Spans()...), lastEntries()))
	require.NoError(t, l.disagree())
	return a, l
}

func TestALyingDiallerGetsSoManyRoundsOfAudit(t *testing.T) {
	_, l := audited(t, true)
	var err error
	rounds := 0
	for ; err == nil && rounds < 100_000; rounds++ {
		err = l.say(&replica.Tops{}, &replica.Items{Last: true})
		l.hear()
	}
	require.ErrorIs(t, err, replica.ErrProtocol)
	require.LessOrEqual(t, rounds, 1000)
}

func TestALyingAnswererGetsSoManyRoundsOfAudit(t *testing.T) {
	_, l := audited(t, false)
	rounds := 0
	for ; l.state() == replica.Running && rounds < 100_000; rounds++ {
		heard := l.hear()
		if _, over := heard[len(heard)-1].(*replica.Finish); over {
			break
		}
		require.IsType(t, &replica.Tops{}, heard[len(heard)-1])
		require.NoError(t, l.say(&replica.Leaves{}))
		require.NoError(t, l.say(&replica.Items{Last: true}))
		s := l.status()
		s.Root[1] = byte(rounds)
		s.Root[2] = byte(rounds >> 8)
		require.NoError(t, l.say(s))
	}
	require.Equal(t, replica.Unverified, l.state())
	require.LessOrEqual(t, rounds, 1000)
}

func TestItemsAreBounded(t *testing.T) {
	item := func(key string) replica.KeyItem {
		return replica.KeyItem{Kind: lwwmap.Data, Key: key, Item: lwwmap.Item{Dot: crdt.Dot{Actor: 1, Seq: 1}}}
	}
	begin := func(t *testing.T, b lwwmap.Bucket) *liar {
		_, l := audited(t, true)
		require.NoError(t, l.say(&replica.Tops{}, &replica.Items{Buckets: []lwwmap.Bucket{b}}))
		return l
	}
	t.Run("another bucket", func(t *testing.T) {
		l := begin(t, lwwmap.BucketOf(lwwmap.Data, "k"))
		require.ErrorIs(t, l.say(&replica.Items{Items: []replica.KeyItem{item("other")}}), replica.ErrProtocol)
	})
	t.Run("long key", func(t *testing.T) {
		key := strings.Repeat("k", replica.DefaultMaxKey+1)
		l := begin(t, lwwmap.BucketOf(lwwmap.Data, key))
		require.ErrorIs(t, l.say(&replica.Items{Items: []replica.KeyItem{item(key)}}), replica.ErrBounds)
	})
	t.Run("many", func(t *testing.T) {
		replica.SetMaxRoundItems(t, 100)
		l := begin(t, lwwmap.BucketOf(lwwmap.Data, "k"))
		var err error
		for i := 0; err == nil && i < 1000; i++ {
			err = l.say(&replica.Items{Items: []replica.KeyItem{item("k")}})
		}
		require.ErrorIs(t, err, replica.ErrBounds)
	})
	t.Run("none for ever", func(t *testing.T) {
		l := begin(t, lwwmap.BucketOf(lwwmap.Data, "k"))
		require.ErrorIs(t, l.say(&replica.Items{}), replica.ErrProtocol)
	})
	t.Run("own", func(t *testing.T) {
		replica.SetMaxRoundItems(t, 100)
		a := newNode(t, "a", 1)
		all := make([]lwwmap.Bucket, 0, 4096)
		for i := range 4096 {
			all = append(all, lwwmap.Bucket(i))
		}
		a.fill(0, 5000)
		l := lieTo(a, true)
		require.NoError(t, l.say(l.hello(), claim(a.Map().Context().Spans()...), lastEntries()))
		require.NoError(t, l.disagree())
		require.ErrorIs(t, l.say(&replica.Tops{}, &replica.Items{Buckets: all}), replica.ErrBounds)
	})
	t.Run("buckets", func(t *testing.T) {
		_, l := audited(t, true)
		require.ErrorIs(t, l.say(&replica.Tops{}, &replica.Items{Buckets: make([]lwwmap.Bucket, 4097)}), replica.ErrProtocol)
	})
	t.Run("tops", func(t *testing.T) {
		_, l := audited(t, false)
		require.ErrorIs(t, l.say(&replica.Leaves{Tops: make([]byte, 17)}), replica.ErrProtocol)
	})
}

// A liar that says the same small entry again and again must not get a large
// one for each.
func TestALiarGetsAnEntryBackOnce(t *testing.T) {
	a := newNode(t, "a", 1)
	a.put("k", strings.Repeat("v", 1<<20))
	l := lieTo(a, true)
	var lies []lwwmap.Entry
	for i := range uint64(1000) {
		e := forge(lwwmap.Data, "k", "", liarActor, i+1)
		e.Stamp -= 1 << 20
		lies = append(lies, e)
	}
	seen := append(a.Map().Context().Spans(), crdt.Span{Actor: liarActor, Ranges: crdt.Ranges{{Lo: 1, Hi: 1000}}})
	if seen[0].Actor > liarActor {
		seen[0], seen[1] = seen[1], seen[0]
	}
	require.NoError(t, l.say(l.hello(), claim(seen...), lastEntries(lies...)))
	again := 0
	for _, f := range l.hear() {
		if e, ok := f.(*replica.Entries); ok && e.Despite {
			again += len(e.Entries)
		}
	}
	require.Equal(t, 1, again)
}

// Only what was taken out counts as dropped.
func TestAnUnverifiedSessionDropsNothing(t *testing.T) {
	a := newNode(t, "a", 1)
	a.put("k", "v")
	l := lieTo(a, true)
	c := claim(a.Map().Context().Spans()...)
	c.Horizons[0] = lwwmap.Order{Stamp: a.latest()}
	require.NoError(t, l.say(l.hello(), c, lastEntries()))
	require.NoError(t, l.disagree())
	require.NoError(t, l.say(&replica.Tops{}, &replica.Items{Buckets: []lwwmap.Bucket{lwwmap.BucketOf(lwwmap.Data, "k")}, Last: true}))
	l.hear()
	require.NoError(t, l.say(&replica.Finish{State: replica.Unverified}))
	require.Equal(t, "v", a.get("k"))
	require.Zero(t, l.s.Stats().Dropped)
	require.Zero(t, a.Stats().Dropped)
}

// A dialler that asks for one round after the other without taking the answers
// must not make them pile up.
func TestAuditsWaitUntilTheAnswersAreTaken(t *testing.T) {
	_, l := audited(t, true)
	require.NoError(t, l.say(&replica.Tops{}, &replica.Items{Last: true}))
	require.ErrorIs(t, l.say(&replica.Tops{}), replica.ErrProtocol)
}
