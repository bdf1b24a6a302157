package main

import (
	"context"
	"slices"
	"time"
)

// putLoad is a steady stream of single puts whose times are kept.
type putLoad struct {
	stop  chan struct{}
	done  chan struct{}
	times []time.Duration
	err   error
}

// Latencies sum up a load.
type Latencies struct {
	Count         int
	P50, P99, Max time.Duration
}

func summarize(times []time.Duration) Latencies {
	if len(times) == 0 {
		return Latencies{}
	}
	slices.Sort(times)
	at := func(p float64) time.Duration { return times[int(p*float64(len(times)-1))] }
	return Latencies{Count: len(times), P50: at(0.50), P99: at(0.99), Max: times[len(times)-1]}
}

// StartLoad begins to put over 1,000 keys of its own, a thousand times per second.
func (s *nodeService) StartLoad(_ None, _ *None) error {
	l := &putLoad{stop: make(chan struct{}), done: make(chan struct{})}
	s.load = l
	go func() {
		defer close(l.done)
		keys := makeKeys(77, 1000)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			start := time.Now()
			if _, l.err = s.reg.Put(context.Background(), keys[i%len(keys)], s.values.at(i)); l.err != nil {
				return
			}
			l.times = append(l.times, time.Since(start))
		}
	}()
	return nil
}

// StopLoad ends it and says how long the puts took.
func (s *nodeService) StopLoad(_ None, out *Latencies) error {
	close(s.load.stop)
	<-s.load.done
	*out = summarize(s.load.times)
	return s.load.err
}
