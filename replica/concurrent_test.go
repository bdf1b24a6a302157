package replica_test

import (
	"fmt"
	"math/rand/v2"
	stdsync "sync"
	"testing"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// shared is a replica behind a lock, as its owner runs it.
type shared struct {
	name string
	stdsync.Mutex
	*replica.Replica
}

func newShared(name string, seed uint64) *shared {
	s := &shared{name: name}
	s.Replica = replica.New(replica.Config{
		Peer: name, Registry: "test", Clock: hlc.NewClock(hlc.Config{}), Rand: rand.New(rand.NewPCG(seed, 1)), Lock: s,
	}, nil, at)
	return s
}

var at = replica.Instant{Wall: start}

func (s *shared) do(fn func()) {
	s.Lock()
	defer s.Unlock()
	fn()
}

// pump runs one side: one goroutine takes frames in, the caller's sends.
func pump(s *replica.Session, in <-chan replica.Frame, out chan<- replica.Frame) {
	woken := make(chan struct{}, 1)
	wake := func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	var reader stdsync.WaitGroup
	reader.Go(func() {
		for f := range in {
			_ = s.Handle(at, f)
			s.Stats()
			wake()
		}
	})
	wake()
	for range woken {
		for f, ok := s.Next(at); ok; f, ok = s.Next(at) {
			out <- f
		}
		if state, _ := s.State(); state != replica.Running {
			break
		}
	}
	for f, ok := s.Next(at); ok; f, ok = s.Next(at) {
		out <- f
	}
	close(out)
	reader.Wait()
}

// meet runs so many sessions between two replicas at once.
func meet(t *testing.T, a, b *shared, n int) {
	var sessions stdsync.WaitGroup
	for i := range n {
		x, y := a, b
		if i%2 == 0 {
			x, y = b, a
		}
		var dialled, accepted *replica.Session
		x.do(func() { dialled = x.Dial(at, "peer") })
		y.do(func() { accepted = y.Accept(at, "peer") })
		there, back := make(chan replica.Frame, 4), make(chan replica.Frame, 4)
		sessions.Go(func() { pump(dialled, back, there) })
		sessions.Go(func() { pump(accepted, there, back) })
	}
	done := make(chan struct{})
	go func() { sessions.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		require.Fail(t, "sessions wait for each other")
	}
}

// Run with -race: sessions both ways at once, writers and a ticker on both
// sides.
func TestSessionsShareTheReplicaWithItsOwner(t *testing.T) {
	a, b := newShared("a", 1), newShared("b", 2)
	stop := make(chan struct{})
	var owners stdsync.WaitGroup
	for i, n := range []*shared{a, b} {
		n.do(func() { _, _, err := n.Write(at, replica.Write{Key: n.name}); require.NoError(t, err) })
		owners.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				n.do(func() {
					_, _, err := n.Write(at, replica.Write{Key: fmt.Sprint(k % 500), Value: []byte{byte(i)}, Delete: k%7 == 0})
					if err != nil {
						panic(err)
					}
					n.Tick(at)
					n.Outbox()
					n.Map().Scan(lwwmap.Data)
				})
			}
		})
	}
	for range 5 {
		meet(t, a, b, 4)
	}
	close(stop)
	owners.Wait()
	require.Zero(t, a.Stats().Sessions.Failed)
	require.Zero(t, b.Stats().Sessions.Failed)
	require.NotZero(t, a.Stats().Sessions.Merged)
}

// Run with -race: one goroutine asks whether the session is of today, another finds that the pipe is broken.
func TestASessionMayEndWhileItIsAskedFor(t *testing.T) {
	a := newShared("a", 1)
	for range 1000 {
		var s *replica.Session
		a.do(func() { s = a.Dial(at, "b") })
		var writer stdsync.WaitGroup
		writer.Go(func() { s.Abort(at, replica.ErrProtocol) })
		s.Outdated()
		writer.Wait()
		require.True(t, s.Outdated(), "of one that is over, that may be")
	}
}
