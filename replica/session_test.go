package replica_test

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

// start is when all tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// node is a replica with a clock that the test moves.
type node struct {
	*replica.Replica
	t       testing.TB
	name    string
	clock   *hlc.Clock
	elapsed time.Duration
	changes []replica.Change
}

func newNode(t testing.TB, name string, seed uint64) *node {
	n := &node{t: t, name: name, clock: hlc.NewClock(hlc.Config{})}
	n.Replica = replica.New(replica.Config{
		Peer: name, Registry: "test", Clock: n.clock, Rand: rand.New(rand.NewPCG(seed, 1)),
		Notify: func(c replica.Change) { n.changes = append(n.changes, c) },
	}, nil, n.now())
	return n
}

func (n *node) now() replica.Instant {
	return replica.Instant{Wall: start.Add(n.elapsed), Mono: n.elapsed}
}

// latest is a stamp that no stamp which the node has seen lies above.
func (n *node) latest() hlc.Timestamp { return n.clock.Reading(n.now().Wall) }

func (n *node) put(key, value string) {
	n.t.Helper()
	_, _, err := n.Write(n.now(), replica.Write{Key: key, Value: []byte(value)})
	require.NoError(n.t, err)
}

func (n *node) del(key string) {
	n.t.Helper()
	_, _, err := n.Write(n.now(), replica.Write{Key: key, Delete: true})
	require.NoError(n.t, err)
}

// get returns the visible value of a key, "" if there is none.
func (n *node) get(key string) string {
	r := n.Map().Get(lwwmap.Data, key)
	if r.IsZero() || r.Dead(n.Now(n.now())) {
		return ""
	}
	return string(r.Value())
}

func (n *node) root() lwwmap.Digest { return n.Map().RootAt(n.Now(n.now())) }

// pipe runs a session between two nodes to its end, through the codec, and
// returns both sides and the bytes that went each way.
func pipe(t testing.TB, a, b *node) (dialled, accepted *replica.Session, bytes [2]int) {
	t.Helper()
	return pipeOnly(t, a, b, replica.TwoWay, replica.TwoWay)
}

// pipeOnly is pipe for a session of one direction: a's and b's part in it.
func pipeOnly(t testing.TB, a, b *node, aDoes, bDoes replica.Direction) (dialled, accepted *replica.Session, bytes [2]int) {
	t.Helper()
	dialled, accepted = a.Dial(a.now(), b.name), b.Accept(b.now(), a.name)
	dialled.Only(aDoes)
	accepted.Only(bDoes)
	pass := func(i int, from, to *replica.Session, fromNode, toNode *node) bool {
		f, ok := from.Next(fromNode.now())
		if !ok {
			return false
		}
		data, err := replica.EncodeFrame(nil, f)
		require.NoError(t, err)
		bytes[i] += len(data)
		got, err := replica.DecodeFrame(data)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(f), fmt.Sprint(got))
		_ = to.Handle(toNode.now(), got)
		return true
	}
	for pass(0, dialled, accepted, a, b) || pass(1, accepted, dialled, b, a) {
	}
	return dialled, accepted, bytes
}

// requireEqual compares two nodes at the later of their wall clocks.
func requireEqual(t testing.TB, a, b *node) {
	t.Helper()
	at := max(a.Now(a.now()), b.Now(b.now()))
	require.Equal(t, a.Map().RootAt(at), b.Map().RootAt(at))
}

func sync(t testing.TB, a, b *node) replica.SessionStats {
	t.Helper()
	x, y, _ := pipe(t, a, b)
	for _, s := range []*replica.Session{x, y} {
		state, err := s.State()
		require.NoError(t, err)
		require.Contains(t, []replica.State{replica.Equal, replica.Merged}, state)
	}
	requireEqual(t, a, b)
	return x.Stats()
}

func gossip(t testing.TB, from *node, to ...*node) {
	t.Helper()
	for d := from.Outbox(); d != nil; d = from.Outbox() {
		data, err := replica.EncodeDelta(nil, d)
		require.NoError(t, err)
		for _, n := range to {
			got, err := replica.DecodeDelta(data)
			require.NoError(t, err)
			require.NoError(t, n.Receive(n.now(), from.name, from.name, got).Refused)
		}
	}
}

func TestAPutReachesAPeerByGossip(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	gossip(t, a, b)
	require.Equal(t, "v", b.get("k"))
	require.Equal(t, a.root(), b.root())
	require.True(t, a.Map().Context().Equal(b.Map().Context()))
	require.Equal(t, "a", b.Writer(a.Actor()))
}

func TestAPutReachesAPeerBySession(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	b.put("l", "w")
	sync(t, a, b)
	require.Equal(t, "v", b.get("k"))
	require.Equal(t, "w", a.get("l"))
	require.True(t, a.Map().Context().Equal(b.Map().Context()))
}

func TestEqualReplicasSayHelloAndNoMore(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	sync(t, a, b)
	x, y, bytes := pipe(t, a, b)
	for _, s := range []*replica.Session{x, y} {
		state, err := s.State()
		require.NoError(t, err)
		require.Equal(t, replica.Equal, state)
	}
	require.LessOrEqual(t, bytes[0]+bytes[1], 100)
}

func TestACollectedDeleteStaysDeleted(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	a.put("l", "w")
	sync(t, a, b)
	a.elapsed += time.Minute
	a.del("k")
	a.elapsed += 30 * 24 * time.Hour
	b.elapsed = a.elapsed
	a.Tick(a.now())
	require.Zero(t, a.Map().Tombstones())
	sync(t, b, a)
	require.Equal(t, "", b.get("k"))
	require.Equal(t, "w", b.get("l"))
	require.EqualValues(t, 1, b.Stats().Dropped)
}

func TestRandomReplicasBecomeEqual(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		nodes := make([]*node, 2+rnd.IntN(4))
		for i := range nodes {
			nodes[i] = newNode(t, string(rune('a'+i)), seed*100+uint64(i))
		}
		pick := func() *node { return nodes[rnd.IntN(len(nodes))] }
		for range 20 + rnd.IntN(100) {
			n, key := pick(), fmt.Sprint("k", rnd.IntN(5))
			for _, m := range nodes {
				m.elapsed += time.Duration(rnd.IntN(3)) * time.Millisecond
			}
			switch rnd.IntN(9) {
			case 0, 1, 2:
				n.put(key, fmt.Sprint(rnd.IntN(100)))
			case 3:
				n.del(key)
			case 4:
				_, _, err := n.Write(n.now(), replica.Write{Key: key, Value: []byte("x"), Expires: n.Now(n.now()).Add(time.Duration(rnd.IntN(20)) * time.Millisecond)})
				require.NoError(t, err)
			case 5:
				n.Map().Collect(n.latest(), rnd.IntN(3))
			case 6:
				n.Tick(n.now())
			case 7:
				gossip(t, n, pick())
			case 8:
				if o := pick(); o != n {
					pipe(t, n, o)
				}
			}
		}
		for range 2 * len(nodes) {
			for i := range nodes {
				sync(t, nodes[i], nodes[(i+1)%len(nodes)])
			}
		}
		for _, n := range nodes {
			requireEqual(t, nodes[0], n)
			require.True(t, nodes[0].Map().Context().Equal(n.Map().Context()), "seed %d", seed)
		}
	}
}
