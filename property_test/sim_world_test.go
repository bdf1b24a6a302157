package property_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"
)

// world is one simulation: replicas, network, disks and clocks, moved on by one
// thread from a queue of events. Everything that is drawn comes from one seed, so
// a seed replays to the last byte.
type world struct {
	stores  bool // disks are real stores
	seed    uint64
	rng     *rand.Rand
	fetches *rand.Rand // apart, so that other seeds than those that fetch go as they always did
	plan    plan
	start   time.Time     // the true time at now = 0
	now     time.Duration // true time since
	queue   queue
	nodes   []*node
	links   []*link
	wires   []*wire // sessions under way
	book    *ledger
	tally   tally
	nonce   uint64
	msgs    int // gossip messages so far
	trace   trace
	calm    bool // faults are over
}

// violation is a broken promise; it ends the simulation.
type violation struct{ error }

func (w *world) fail(format string, args ...any) {
	panic(violation{fmt.Errorf(format, args...)})
}

func (w *world) must(err error) {
	if err != nil {
		panic(violation{err})
	}
}

// queue holds what is going to happen, as a binary heap by time, then by the
// order of its entering.
type queue struct {
	events []event
	count  uint64
}

type event struct {
	at time.Duration
	n  uint64
	do func()
}

func (e *event) before(f *event) bool { return e.at < f.at || (e.at == f.at && e.n < f.n) }

func (q *queue) push(at time.Duration, do func()) {
	q.count++
	q.events = append(q.events, event{at, q.count, do})
	for i := len(q.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.events[i].before(&q.events[up]) {
			break
		}
		q.events[i], q.events[up] = q.events[up], q.events[i]
		i = up
	}
}

func (q *queue) pop() (event, bool) {
	if len(q.events) == 0 {
		return event{}, false
	}
	first, last := q.events[0], len(q.events)-1
	q.events[0] = q.events[last]
	q.events[last] = event{}
	q.events = q.events[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q.events[c].before(&q.events[least]) {
				least = c
			}
		}
		if least == i {
			return first, true
		}
		q.events[i], q.events[least] = q.events[least], q.events[i]
		i = least
	}
}

// after lets something happen after a while.
func (w *world) after(d time.Duration, do func()) { w.queue.push(w.now+d, do) }

// runUntil lets everything happen up to a time.
func (w *world) runUntil(end time.Duration) {
	for len(w.queue.events) > 0 && w.queue.events[0].at <= end {
		e, _ := w.queue.pop()
		w.now = max(w.now, e.at)
		e.do()
	}
	w.now = max(w.now, end)
}

// chance is true with probability p.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// exp draws from an exponential distribution, at most twenty times its mean.
func (w *world) exp(mean time.Duration) time.Duration {
	return time.Duration(min(w.rng.ExpFloat64(), 20) * float64(mean))
}

func pick[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

// trace hashes all that happens, and tells it if someone wants to read it.
type trace struct {
	sum interface {
		io.Writer
		Sum64() uint64
	}
	text io.Writer
	buf  []byte
}

func newTrace(text io.Writer) trace { return trace{sum: fnv.New64a(), text: text} }

// note enters an event in the trace.
func (w *world) note(what string, who int, numbers ...uint64) {
	b := append(w.trace.buf[:0], what...)
	b = append(b, byte(who))
	for _, n := range append(numbers, uint64(w.now)) {
		for range 8 {
			b = append(b, byte(n))
			n >>= 8
		}
	}
	w.trace.buf = b
	_, _ = w.trace.sum.Write(b)
}

// tell writes to the readable trace.
func (w *world) tell(format string, args ...any) {
	if w.trace.text != nil {
		fmt.Fprintf(w.trace.text, "%10.3f  ", w.now.Seconds())
		fmt.Fprintf(w.trace.text, format+"\n", args...)
	}
}

// up returns the processes that run.
func (w *world) up() (ps []*process) {
	for _, n := range w.nodes {
		if n.proc != nil {
			ps = append(ps, n.proc)
		}
	}
	return ps
}
