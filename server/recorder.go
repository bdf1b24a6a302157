package server

import (
	"context"
	"sync"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// What the recorder keeps.
const (
	sampleEvery = time.Second
	maxSamples  = 300 // five minutes
	maxChanges  = 500 // of each registry
	maxPreview  = 256 // bytes of a change's value
)

// recorder remembers the last minutes of a node for those who look at it later: samples of what it did, and changes. It runs from the
// first look on, or from the start where there is a page to look at, until the server is closed.
type recorder struct {
	s     *Server
	begin sync.Once
	wg    sync.WaitGroup

	mu       sync.Mutex
	samples  []admin.Sample
	followed map[string]*followed
	seq      uint64
	news     chan struct{} // closed, and made anew, when there is a sample or a change
}

// followed is a registry whose changes are recorded.
type followed struct {
	reg     *minikv.Registry
	stop    context.CancelFunc
	changes []admin.Change // the oldest first
	changed time.Time
}

// start begins to record, once.
func (c *recorder) start() {
	c.begin.Do(func() {
		c.follow()
		c.wg.Go(c.run)
	})
}

func (c *recorder) run() {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	was, at := c.reading(), time.Now()
	for {
		select {
		case <-tick.C:
		case <-c.s.ctx.Done():
			return
		}
		c.follow()
		now := time.Now()
		is := c.reading()
		c.keep(is.sample(was, now, now.Sub(at)))
		was, at = is, now
	}
}

func (c *recorder) keep(s admin.Sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) >= maxSamples {
		c.samples = append(c.samples[:0], c.samples[1:]...)
	}
	c.samples = append(c.samples, s)
	c.rouse()
}

// rouse tells all who wait of news. The recorder is locked.
func (c *recorder) rouse() {
	close(c.news)
	c.news = make(chan struct{})
}

// reading is what a sample is the difference of two of.
type reading struct {
	metrics minikv.Metrics
	in, out int64
}

func (c *recorder) reading() reading {
	r := reading{metrics: c.s.node.Metrics()}
	for _, p := range c.s.node.Peers() {
		r.in += p.BytesIn
		r.out += p.BytesOut
	}
	return r
}

func (r reading) sample(was reading, at time.Time, took time.Duration) admin.Sample {
	rate := func(now, then uint64) float64 {
		if now < then { // a registry was closed, and its counts with it
			return 0
		}
		return float64(now-then) / took.Seconds()
	}
	m, o := &r.metrics, &was.metrics
	s := admin.Sample{
		Time: at.UTC(), Puts: rate(m.Puts, o.Puts), Deletes: rate(m.Deletes, o.Deletes), Merged: rate(m.Merged, o.Merged),
		Expired: rate(m.Expired, o.Expired), BytesIn: rate(uint64(r.in), uint64(was.in)), BytesOut: rate(uint64(r.out), uint64(was.out)),
	}
	s.WriteP50, s.WriteP99 = quantiles(m.WriteTime, o.WriteTime)
	s.LagP50, s.LagP99 = quantiles(m.GossipLag, o.GossipLag)
	return s
}

func quantiles(now, then minikv.Timing) (p50, p99 *admin.Duration) {
	if now.Count() <= then.Count() {
		return nil, nil
	}
	d := now.Since(then)
	a, b := admin.Duration(d.Quantile(0.5)), admin.Duration(d.Quantile(0.99))
	return &a, &b
}

// lastMinutes copies the samples, the oldest first.
func (c *recorder) lastMinutes() []admin.Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]admin.Sample{}, c.samples...)
}

// last is the latest sample, the zero one before the first, and a channel that is closed when there is something later than it.
func (c *recorder) last() (s admin.Sample, news <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.samples); n > 0 {
		s = c.samples[n-1]
	}
	return s, c.news
}
