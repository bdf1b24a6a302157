package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

var errCut = errors.New("the pipe broke")

// cutAfter runs a session and cuts it once n frames have passed; false if it
// was over before.
func cutAfter(t testing.TB, a, b *node, n int) (dialled *replica.Session, cut bool) {
	t.Helper()
	x, y := a.Dial(a.now(), b.name), b.Accept(b.now(), a.name)
	pass := func(from, to *replica.Session, f, g *node) bool {
		if n == 0 {
			return false
		}
		frame, ok := from.Next(f.now())
		if !ok {
			return false
		}
		n--
		_ = to.Handle(g.now(), frame)
		return true
	}
	for pass(x, y, a, b) || pass(y, x, b, a) {
	}
	running := func(s *replica.Session) bool {
		state, _ := s.State()
		return state == replica.Running
	}
	cut = running(x) || running(y)
	x.Abort(a.now(), errCut)
	y.Abort(b.now(), errCut)
	return x, cut
}

// apart returns two nodes that each hold much that the other lacks, with
// deletes collected on one side and losses on the other.
func apart(t testing.TB) (a, b *node) {
	a, b = newNode(t, "a", 1), newNode(t, "b", 2)
	a.fill(0, 200)
	sync(t, a, b)
	b = b.damaged(func(key string) bool { return strings.HasSuffix(key, "77") })
	wait(time.Second, a, b)
	for i := range 20 {
		a.del(fmt.Sprintf("key %06d", i))
		b.del(fmt.Sprintf("key %06d", 100+i))
	}
	wait(time.Second, a, b)
	a.Map().Collect(a.latest(), 1000)
	long := strings.Repeat("v", 20_000)
	for i := range 10 {
		a.put(fmt.Sprint("a", i), long)
		b.put(fmt.Sprint("b", i), long)
	}
	return a, b
}

// Nothing is taken out, and no context taken over, before a session is whole;
// what arrived stays, and the next session sends only the rest.
func TestACutSessionMergesNothingEarlyAndIsResumed(t *testing.T) {
	whole := func() int {
		a, b := apart(t)
		stats := sync(t, a, b)
		return int(stats.Sent + stats.Received)
	}()
	for n, cut := 0, true; cut; n++ {
		a, b := apart(t)
		contexts := []uint64{a.Map().Context().Count(), b.Map().Context().Count()}
		var s *replica.Session
		s, cut = cutAfter(t, a, b, n)
		if state, err := s.State(); cut && state == replica.Failed {
			require.ErrorIs(t, err, errCut)
			require.Zero(t, a.Stats().Dropped)
		}
		got := s.Stats().Received
		if state, _ := s.State(); state != replica.Merged {
			require.LessOrEqual(t, a.Map().Context().Count(), contexts[0]+got, "after %d frames", n)
		}
		first := a.Stats().Merged + b.Stats().Merged
		sync(t, a, b)
		sync(t, b, a)
		require.True(t, a.Map().Context().Equal(b.Map().Context()))
		require.Equal(t, 160+20, a.Map().Len(lwwmap.Data))
		require.Empty(t, a.get("key 000105"))
		require.Empty(t, b.get("key 000005"))
		require.Equal(t, "value 77", b.get("key 000077"))
		require.LessOrEqual(t, a.Stats().Merged+b.Stats().Merged, uint64(whole)+first, "nothing is stored twice")
	}
}

func TestACutSessionHasLessToSendNextTime(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.fill(0, 8000)
	var sent []uint64
	for {
		s, cut := cutAfter(t, a, b, 8)
		if !cut {
			break
		}
		sent = append(sent, s.Stats().Sent)
		require.Len(t, b.Map().Context().Of(a.Actor()), 1, "what came is without gaps")
	}
	require.Greater(t, len(sent), 1)
	require.Equal(t, 8000, b.Map().Len(lwwmap.Data))
	total := uint64(0)
	for _, n := range sent {
		total += n
	}
	require.Less(t, total, uint64(2*8000))
}

func TestARandomlyCutMeshBecomesEqual(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		nodes := []*node{newNode(t, "a", seed), newNode(t, "b", seed+1000), newNode(t, "c", seed+2000)}
		for range 60 {
			n, o := nodes[rnd.IntN(3)], nodes[rnd.IntN(3)]
			wait(time.Duration(rnd.IntN(3))*time.Millisecond, nodes...)
			key := fmt.Sprint("k", rnd.IntN(6))
			switch rnd.IntN(6) {
			case 0, 1:
				n.put(key, fmt.Sprint(rnd.IntN(100)))
			case 2:
				n.del(key)
			case 3:
				n.Map().Collect(n.latest(), rnd.IntN(3))
			case 4:
				if n != o {
					cutAfter(t, n, o, rnd.IntN(12))
				}
			case 5:
				gossip(t, n, o)
			}
		}
		for range 4 {
			sync(t, nodes[0], nodes[1])
			sync(t, nodes[1], nodes[2])
			sync(t, nodes[2], nodes[0])
		}
		for _, n := range nodes {
			requireEqual(t, nodes[0], n)
			require.True(t, nodes[0].Map().Context().Equal(n.Map().Context()), "seed %d", seed)
		}
	}
}

// Writes go on while a session runs: it judges its snapshot, and takes out only
// what has not changed since.
func TestWritesDuringASession(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		a, b := newNode(t, "a", seed), newNode(t, "b", seed+1000)
		a.fill(0, 40)
		sync(t, a, b)
		wait(time.Second, a, b)
		for i := range 20 {
			a.del(fmt.Sprintf("key %06d", i))
		}
		wait(time.Second, a, b)
		a.Map().Collect(a.latest(), 100)
		b.fill(100, 110)
		want := map[string]string{}
		x, y := a.Dial(a.now(), "b"), b.Accept(b.now(), "a")
		write := func() {
			n := []*node{a, b}[rnd.IntN(2)]
			key := fmt.Sprintf("key %06d", rnd.IntN(30))
			if _, taken := want[key]; taken {
				return
			}
			wait(time.Millisecond, a, b)
			want[key] = fmt.Sprint("new ", rnd.IntN(100))
			n.put(key, want[key])
		}
		pass := func(from, to *replica.Session, f, g *node) bool {
			frame, ok := from.Next(f.now())
			if !ok {
				return false
			}
			write()
			require.NoError(t, to.Handle(g.now(), frame))
			write()
			return true
		}
		for pass(x, y, a, b) || pass(y, x, b, a) {
		}
		for _, s := range []*replica.Session{x, y} {
			state, err := s.State()
			require.NoError(t, err)
			require.Equal(t, replica.Merged, state)
		}
		sync(t, a, b)
		for key, value := range want {
			require.Equal(t, value, a.get(key), "seed %d", seed)
			require.Equal(t, value, b.get(key), "seed %d", seed)
		}
	}
}
