package main

import (
	"context"
	"time"

	"github.com/minikv/minikv"
)

// Singles are puts, or messages of the floor, one by one with a pause before each.
type Singles struct {
	Count int
	Size  int // of a value, in bytes
	Pause time.Duration
}

// One every two milliseconds, as they travel by gossip; and values that are announced by gossip, and fetched.
var (
	smallSingles = Singles{Count: 2000, Size: valueLen, Pause: 2 * time.Millisecond}
	largeSingles = Singles{Count: 200, Size: 64 << 10, Pause: 20 * time.Millisecond}
)

// maxSingles is the most of a kind.
const maxSingles = 2000

// visible measures single puts until a watch in another process yields them; and, right after, messages of the same size
// through bare gossipsub with its default, signing, policy. Both processes read the same wall clock.
func visible(b *bench) error {
	if err := b.visibleOf(smallSingles, "one put to visible at a connected peer", "floor: bare signed gossipsub"); err != nil {
		return err
	}
	return b.visibleOf(largeSingles, "one put of 64 KiB to visible at a connected peer", "floor: the same through gossipsub; ours is announced, and fetched by a stream")
}

func (b *bench) visibleOf(load Singles, what, note string) error {
	p50 := figure{what: what + ", p50", unit: "ms", note: note}
	p99 := figure{what: "the same, p99", unit: "ms"}
	if load == smallSingles {
		p50.bar, p99.bar = ratioAtMost(1), ratioAtMost(2)
	}
	err := b.repeat(func() error {
		ours, err := b.visibleOnce(load)
		if err != nil {
			return err
		}
		floor, err := b.gossipFloor(load)
		if err != nil {
			return err
		}
		p50.addPair(millis(ours.P50), millis(floor.P50))
		p99.addPair(millis(ours.P99), millis(floor.P99))
		return nil
	})
	b.table.add(&p50, &p99)
	return err
}

func millis(d time.Duration) float64 { return d.Seconds() * 1e3 }

func (b *bench) visibleOnce(load Singles) (Latencies, error) {
	nodes, stop, err := b.openMesh(2, "visible")
	if err != nil {
		return Latencies{}, err
	}
	defer stop()
	return trips(nodes[0].child, nodes[1].child, load)
}

// trips has one child send and the other one receive, and compares their clocks' readings.
func trips(from, to *child, load Singles) (Latencies, error) {
	if err := to.call("Expect", None{}, &None{}); err != nil {
		return Latencies{}, err
	}
	var sent []time.Time
	if err := from.call("Send", load, &sent); err != nil {
		return Latencies{}, err
	}
	var came []time.Time
	if err := to.call("Arrivals", load, &came); err != nil {
		return Latencies{}, err
	}
	times := make([]time.Duration, len(sent))
	for i := range sent {
		times[i] = came[i].Sub(sent[i])
	}
	return summarize(times), nil
}

// keys are the keys of Send, in its order.
func (l Singles) keys() []string { return makeKeys(55, l.Count) }

// Expect begins to watch for the keys of Send.
func (s *nodeService) Expect(_ None, _ *None) error {
	s.arrived = make(map[string]time.Time)
	ready := make(chan struct{})
	go func() {
		for e, err := range s.reg.Watch(context.Background(), "") {
			now := time.Now()
			if err != nil {
				return
			}
			if e.Kind == minikv.EventSynced {
				close(ready)
			}
			s.mu.Lock()
			s.arrived[e.Entry.Key] = now
			s.mu.Unlock()
		}
	}()
	<-ready
	return nil
}

// Send puts and says when each call began.
func (s *nodeService) Send(load Singles, out *[]time.Time) error {
	value := make([]byte, load.Size)
	for i, k := range load.keys() {
		time.Sleep(load.Pause)
		copy(value, s.values.at(i))
		*out = append(*out, time.Now())
		if _, err := s.reg.Put(context.Background(), k, value); err != nil {
			return err
		}
	}
	return nil
}

// Arrivals waits for all of them and says when each came.
func (s *nodeService) Arrivals(load Singles, out *[]time.Time) error {
	for _, k := range load.keys() {
		for {
			s.mu.Lock()
			t, ok := s.arrived[k]
			s.mu.Unlock()
			if ok {
				*out = append(*out, t)
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}
