package main

import (
	"context"
	"time"

	"github.com/minikv/minikv"
)

const (
	visiblePuts  = 2000
	visiblePause = 2 * time.Millisecond
)

// visible measures single puts, one every two milliseconds, until a watch in another process yields them; and, right
// after, messages of the same size through bare gossipsub with its default, signing, policy. Both processes read the
// same wall clock.
func visible(b *bench) error {
	p50 := figure{what: "one put to visible at a connected peer, p50", unit: "ms", bar: ratioAtMost(1), note: "floor: bare signed gossipsub"}
	p99 := figure{what: "the same, p99", unit: "ms", bar: ratioAtMost(2)}
	err := b.repeat(func() error {
		ours, err := b.visibleOnce()
		if err != nil {
			return err
		}
		floor, err := b.gossipFloor()
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

func (b *bench) visibleOnce() (Latencies, error) {
	nodes, stop, err := b.openMesh(2, "visible")
	if err != nil {
		return Latencies{}, err
	}
	defer stop()
	return trips(nodes[0].child, nodes[1].child)
}

// trips has one child send and the other one receive, and compares their clocks' readings.
func trips(from, to *child) (Latencies, error) {
	if err := to.call("Expect", None{}, &None{}); err != nil {
		return Latencies{}, err
	}
	var sent []time.Time
	if err := from.call("Send", None{}, &sent); err != nil {
		return Latencies{}, err
	}
	var came []time.Time
	if err := to.call("Arrivals", None{}, &came); err != nil {
		return Latencies{}, err
	}
	times := make([]time.Duration, len(sent))
	for i := range sent {
		times[i] = came[i].Sub(sent[i])
	}
	return summarize(times), nil
}

// visibleKeys are the keys of Send, in its order.
func visibleKeys() []string { return makeKeys(55, visiblePuts) }

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
func (s *nodeService) Send(_ None, out *[]time.Time) error {
	for i, k := range visibleKeys() {
		time.Sleep(visiblePause)
		*out = append(*out, time.Now())
		if _, err := s.reg.Put(context.Background(), k, s.values.at(i)); err != nil {
			return err
		}
	}
	return nil
}

// Arrivals waits for all of them and says when each came.
func (s *nodeService) Arrivals(_ None, out *[]time.Time) error {
	for _, k := range visibleKeys() {
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
