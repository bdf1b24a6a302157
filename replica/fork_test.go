package replica_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// scripted yields its numbers first, and then random ones.
type scripted struct {
	first []uint64
	rand.Source
}

func (s *scripted) Uint64() uint64 {
	if len(s.first) > 0 {
		n := s.first[0]
		s.first = s.first[1:]
		return n
	}
	return s.Source.Uint64()
}

// copies returns two replicas that write as the same actor, as a machine that
// was copied while it ran would.
func copies(t testing.TB, actor uint64) (x, y *node) {
	twin := func(seed uint64) *node {
		n := &node{t: t, name: "a", clock: hlc.NewClock(hlc.Config{})}
		n.Replica = replica.New(replica.Config{
			Peer: "a", Registry: "test", Clock: n.clock, Rand: rand.New(&scripted{[]uint64{actor, actor}, rand.NewPCG(seed, 1)}),
		}, nil, n.now())
		return n
	}
	x, y = twin(1), twin(2)
	x.put("first", "x")
	y.put("first", "x")
	require.Equal(t, x.Actor(), y.Actor())
	require.Equal(t, x.root(), y.root())
	return x, y
}

// Both copies write under the same dots. Whether one has made more writes than
// the other or not, all they wrote survives.
func TestALiveCopyLosesNothing(t *testing.T) {
	for _, more := range []int{0, 1, 7} {
		x, y := copies(t, 1<<40)
		b := newNode(t, "b", 3)
		old := x.Actor()
		x.put("of x", "1")
		y.put("of y", "2")
		for range more {
			y.put("often", "3")
		}
		for range 4 {
			pipe(t, x, b)
			pipe(t, y, b)
			pipe(t, x, y)
		}
		require.NotEqual(t, x.Actor(), y.Actor())
		require.True(t, x.Actor() > old || y.Actor() > old)
		require.NotZero(t, x.Stats().Forks+y.Stats().Forks)
		for _, n := range []*node{x, y, b} {
			require.Equal(t, "1", n.get("of x"))
			require.Equal(t, "2", n.get("of y"))
			requireEqual(t, x, n)
			require.True(t, x.Map().Context().Equal(n.Map().Context()))
		}
	}
}

// Above the last actors there are none or few: another one is drawn all the same, and soon.
func TestThereIsAnotherActorAfterTheLast(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	for _, last := range []crdt.Actor{math.MaxUint64, math.MaxUint64 - 1, math.MaxUint64 - 1<<50, math.MaxUint64 - 1<<52} {
		was := a.Actor()
		require.NoError(t, a.MintActor(a.now(), last))
		require.NotZero(t, a.Actor())
		require.NotEqual(t, was, a.Actor())
	}
	a.put("l", "w")
	a.Receive(a.now(), "a", "b", &replica.Delta{Actor: a.Actor(), Announced: crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}})
	require.EqualValues(t, 1, a.Stats().Forks)
	require.Equal(t, "a", a.Writer(a.Actor()))
	sync(t, a, b)
	require.Equal(t, "v", b.get("k"))
	require.Equal(t, "w", b.get("l"))
}

// claimed has a hear that somebody has seen writes of its that it has yet to make.
func claimed(a *node) {
	a.elapsed += time.Second
	a.Receive(a.now(), "a", "b", &replica.Delta{Actor: a.Actor(), Announced: crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}})
}

// Whoever can make a replica issue its writes again must not move them in time.
func TestWhatIsIssuedAgainKeepsItsStamp(t *testing.T) {
	a := newNode(t, "a", 1)
	a.put("k", "v")
	was := a.Map().Get(lwwmap.Data, "k").Stamp()
	for i := range uint64(100) {
		before := a.Actor()
		claimed(a)
		require.Equal(t, i+1, a.Stats().Forks)
		require.Greater(t, a.Actor(), before)
		require.Equal(t, a.Actor(), a.Map().Get(lwwmap.Data, "k").Dot().Actor)
		require.Equal(t, was, a.Map().Get(lwwmap.Data, "k").Stamp())
	}
}

// Nor where no actor lies above: what another node has written meanwhile is the later write.
func TestWhatIsIssuedAgainDoesNotOvertakeWhatCameAfterIt(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	require.NoError(t, a.MintActor(a.now(), math.MaxUint64-1<<47))
	a.put("k", "old")
	a.put("of a", "1")
	sync(t, a, b)
	b.elapsed += 10 * time.Millisecond
	b.put("k", "new")
	before := a.Actor()
	claimed(a)
	require.EqualValues(t, 1, a.Stats().Forks)
	require.Less(t, a.Actor(), before, "this is to try the end of all actors")
	sync(t, a, b)
	require.Equal(t, "new", a.get("k"))
	require.Equal(t, "1", b.get("of a"))
}
