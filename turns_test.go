package minikv_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// Twenty nodes of one ticket ask for exchanges and do nothing with them. The holder of another ticket has its seat at once.
func TestTurnsLeaveASeatForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		var refused, cut atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				s, err := turns.Take("thief", fmt.Sprint("p", i), func() { cut.Add(1) })
				if err != nil {
					refused.Add(1)
					return
				}
				time.Sleep(time.Minute)
				turns.Leave(s)
			})
		}
		synctest.Wait()
		began := time.Now()
		s, err := turns.Take("member", "p", func() {})
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
		turns.Leave(s)
		all.Wait()
		require.Positive(t, cut.Load(), "what nothing is done on makes way")
	})
}

// Who waits for a seat does not hold up the end of the registry.
func TestTurnsDoNotWaitForTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		for i := range minikv.SeatsMost {
			_, err := turns.Take(fmt.Sprint("member", i), "p", func() {})
			require.NoError(t, err)
		}
		ending, waited := make(chan struct{}), make(chan error, 1)
		began := time.Now()
		go func() {
			_, err := turns.TakeUntil("another", "p", ending)
			waited <- err
		}()
		synctest.Wait()
		close(ending)
		require.ErrorIs(t, <-waited, minikv.ErrClosed)
		require.Zero(t, time.Since(began))
	})
}

// Who shares a ticket with others has a seat in its turn, though they never give theirs back.
func TestTurnsTakeIdleSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		var cut atomic.Int32
		for i := range minikv.SeatsMost * 3 / 4 {
			_, err := turns.Take("shared", fmt.Sprint("p", i), func() { cut.Add(1) })
			require.NoError(t, err)
		}
		began := time.Now()
		_, err := turns.Take("shared", "another", func() {})
		require.NoError(t, err)
		require.InDelta(t, time.Second, time.Since(began), float64(300*time.Millisecond))
		require.EqualValues(t, 1, cut.Load())
	})
}

func TestTurnsSayBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		work := newWork(turns)
		defer work.end()
		s, err := turns.Take("dear", "q", func() {})
		require.NoError(t, err)
		turns.Step("dear", "q", s, func() { time.Sleep(8 * time.Second) })
		turns.Leave(s)
		for i := range minikv.SeatsMost {
			s, err := turns.Take(fmt.Sprint("t", i), "p", func() {})
			require.NoError(t, err)
			work.begin(fmt.Sprint("t", i), "p", s)
		}
		began := time.Now()
		_, err = turns.Take("dear", "q", func() {})
		require.ErrorIs(t, err, minikv.ErrBusy)
		require.Less(t, time.Since(began), 10*time.Second, "the peer waits for so long")
		var quick atomic.Int32
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				began := time.Now()
				if _, err := turns.Take("dear", "q", func() {}); err != nil && time.Since(began) == 0 {
					quick.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 2, quick.Load(), "one peer fills the queue")
	})
}

// work is what goes on all the time, in steps of a millisecond.
type work struct {
	turns *minikv.Turns
	done  chan struct{}
	all   sync.WaitGroup
}

func newWork(turns *minikv.Turns) *work { return &work{turns: turns, done: make(chan struct{})} }

func (w *work) begin(holder, peer string, on *minikv.Seat) (steps *atomic.Int64) {
	steps = new(atomic.Int64)
	w.all.Go(func() {
		for {
			select {
			case <-w.done:
				return
			default:
				w.turns.Step(holder, peer, on, func() { time.Sleep(time.Millisecond) })
				steps.Add(1)
			}
		}
	})
	return steps
}

func (w *work) end() {
	close(w.done)
	w.all.Wait()
}

// What works all the time has all there is as long as it is alone, and a part where there are others, whose steps come first.
func TestTurnsMakeWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		work := newWork(turns)
		defer work.end()
		steps := work.begin("heavy", "p", nil)
		time.Sleep(20 * time.Second)
		require.InEpsilon(t, 20_000, steps.Load(), 0.01, "alone")
		for range 20 { // others begin
			turns.Step("light", "q", nil, func() {})
			time.Sleep(100 * time.Millisecond)
		}
		was, worst := steps.Load(), time.Duration(0)
		for range 100 {
			began := time.Now()
			turns.Step("light", "q", nil, func() { time.Sleep(time.Millisecond) })
			worst = max(worst, time.Since(began))
			time.Sleep(99 * time.Millisecond)
		}
		require.LessOrEqual(t, worst, 3*time.Millisecond)
		require.InEpsilon(t, 10_000/4, steps.Load()-was, 0.1, "beside others")
		held := 0
		for range 100 {
			if turns.Delay("p") > 0 {
				held++
			}
			require.Zero(t, turns.Delay("q"))
			time.Sleep(time.Millisecond)
		}
		require.Positive(t, held, "nor is its gossip read as fast as it comes")
	})
}

// Where all cost much, nobody makes way for nobody.
func TestTurnsMakeNoWayForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		work := newWork(turns)
		defer work.end()
		a, b := work.begin("heavy", "p", nil), work.begin("heavy too", "q", nil)
		time.Sleep(10 * time.Second) // both have cost too much, and nobody has worked for less within a second
		was := a.Load() + b.Load()
		time.Sleep(10 * time.Second)
		require.InEpsilon(t, 10_000, a.Load()+b.Load()-was, 0.01)
	})
}

// Twenty who hold a ticket each get equal parts, and one who asks for less than that hardly waits.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		work := newWork(turns)
		defer work.end()
		var all []*atomic.Int64
		for i := range 20 {
			all = append(all, work.begin(fmt.Sprint("h", i), "p", nil))
		}
		time.Sleep(5 * time.Second)
		var worst time.Duration
		for range 300 {
			began := time.Now()
			turns.Step("light", "q", nil, func() { time.Sleep(time.Millisecond) })
			worst = max(worst, time.Since(began))
			time.Sleep(99 * time.Millisecond)
		}
		least, most := all[0].Load(), all[0].Load()
		for _, n := range all {
			least, most = min(least, n.Load()), max(most, n.Load())
		}
		require.LessOrEqual(t, float64(most), 1.2*float64(least))
		require.LessOrEqual(t, worst, 3*time.Millisecond)
	})
}

// A peer that was of use comes before twenty others that have taken no more than it has, until something is held against it.
func TestTurnsTrustTheUseful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		work := newWork(turns)
		defer work.end()
		var others *atomic.Int64
		for i := range 20 {
			others = work.begin(fmt.Sprint("h", i), "p", nil)
		}
		useful := work.begin("useful", "u", nil)
		ratio := func() float64 {
			was, theirs := useful.Load(), others.Load()
			time.Sleep(20 * time.Second)
			return float64(useful.Load()-was) / float64(others.Load()-theirs)
		}
		require.InEpsilon(t, 1, ratio(), 0.2)
		turns.Trust("u")
		require.Greater(t, ratio(), 3.0)
		turns.Distrust("u")
		time.Sleep(time.Minute)
		require.InEpsilon(t, 1, ratio(), 0.2)
	})
}

// Accounts are bounded, and those who have cost much are remembered longest.
func TestTurnsForgetTheCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := minikv.NewTurns(1)
		turns.Pay("dear", "p", time.Minute)
		for i := range 10_000 {
			turns.Pay("", fmt.Sprint("q", i), time.Microsecond)
		}
		require.LessOrEqual(t, turns.Accounts(), 4096)
		require.Greater(t, turns.Cost("dear", "p"), 30*time.Second)
	})
}
