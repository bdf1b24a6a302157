package minikv

import (
	"sync/atomic"
	"time"
)

// timingBounds are the classes of a [Timing]: fine where a disk or a network answers, coarse above.
var timingBounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// TimingBounds returns the upper bounds of the classes of a [Timing], ascending from 10 µs to 1 minute. The
// caller owns the slice.
func TimingBounds() []time.Duration { return append([]time.Duration(nil), timingBounds[:]...) }

// Timing says how long something took, over all the times that it was measured.
type Timing struct {
	Counts [len(timingBounds) + 1]uint64 // by class: above the bound before, up to its own; the last has none
	Sum    time.Duration
}

// Count is how often it was measured.
func (t Timing) Count() (n uint64) {
	for _, c := range t.Counts {
		n += c
	}
	return n
}

// Since is what was measured after an earlier look.
func (t Timing) Since(earlier Timing) Timing {
	for i, c := range earlier.Counts {
		t.Counts[i] -= c
	}
	t.Sum -= earlier.Sum
	return t
}

// Quantile is the bound below which at least that share of the measurements lies, q being 0 to 1: exact to
// the class, and 1 minute for all above. Zero where nothing was measured.
func (t Timing) Quantile(q float64) time.Duration {
	all := t.Count()
	if all == 0 {
		return 0
	}
	want, seen := max(uint64(q*float64(all)), 1), uint64(0)
	for i, c := range t.Counts[:len(timingBounds)] {
		if seen += c; seen >= want {
			return timingBounds[i]
		}
	}
	return timingBounds[len(timingBounds)-1]
}

func (t *Timing) add(o Timing) {
	for i, c := range o.Counts {
		t.Counts[i] += c
	}
	t.Sum += o.Sum
}

// stopwatch gathers a Timing. Safe for concurrent use.
type stopwatch struct {
	counts [len(timingBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

// note adds one measurement; one below zero, which two clocks can bring about, counts as zero.
func (s *stopwatch) note(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(timingBounds) && d > timingBounds[i] {
		i++
	}
	s.counts[i].Add(1)
	s.sum.Add(int64(d))
}

func (s *stopwatch) timing() (t Timing) {
	for i := range s.counts {
		t.Counts[i] = s.counts[i].Load()
	}
	t.Sum = time.Duration(s.sum.Load())
	return t
}
