package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/minikv/minikv/server/admin"
)

// benchRun measures one target.
type benchRun struct {
	benchFlags
	target benchTarget
	writes atomic.Uint64 // makes each value another one
}

// benchResult is what one kind of work came to. Times are in seconds; a percentile that takes more calls than there were is nil.
type benchResult struct {
	Work    string         `json:"work"`
	Calls   uint64         `json:"calls"`
	Over    admin.Duration `json:"over"`
	PerSec  float64        `json:"per_second"`
	KeysSec float64        `json:"keys_per_second,omitempty"` // of batches
	P50     *float64       `json:"p50_seconds"`
	P90     *float64       `json:"p90_seconds"`
	P99     *float64       `json:"p99_seconds"`
	P999    *float64       `json:"p999_seconds"`
	Max     *float64       `json:"max_seconds"`
	Unasked uint64         `json:"unasked,omitempty"` // calls that were due at --rate, and that nobody was free to make in time
}

func (r benchResult) row() []string {
	keys := "-"
	if r.KeysSec > 0 {
		keys = rate(r.KeysSec)
	}
	row := []string{r.Work, count(r.Calls), rate(r.PerSec), keys}
	for _, p := range []*float64{r.P50, r.P90, r.P99, r.P999, r.Max} {
		row = append(row, secondsText(p))
	}
	return row
}

// secondsText is a time in three digits or so.
func secondsText(p *float64) string {
	if p == nil {
		return "-"
	}
	d := time.Duration(*p * float64(time.Second))
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}

func (b *benchRun) key(i int) string { return fmt.Sprintf("key/%08d", i) }

// value is one that was not written before.
func (b *benchRun) value() []byte {
	v := make([]byte, b.size)
	if len(v) >= 8 {
		binary.BigEndian.PutUint64(v, b.writes.Add(1))
	}
	return v
}

// fill puts all keys there, before anything is measured.
func (b *benchRun) fill(ctx context.Context) error {
	keys := make([]string, 0, b.batch)
	for i := range b.keys {
		keys = append(keys, b.key(i))
		if len(keys) == b.batch || i == b.keys-1 {
			if err := b.target.batch(ctx, keys, b.value()); err != nil {
				return err
			}
			keys = keys[:0]
		}
	}
	return nil
}

// call makes one call of a kind of work for one client.
func (b *benchRun) call(ctx context.Context, work string, client int, rng *rand.Rand) error {
	switch work {
	case "put":
		return b.target.put(ctx, b.key(rng.IntN(b.keys)), b.value())
	case "get":
		return b.target.get(ctx, b.key(rng.IntN(b.keys)))
	case "batch":
		keys := make([]string, b.batch)
		for i := range keys {
			keys[i] = b.key(rng.IntN(b.keys))
		}
		return b.target.batch(ctx, keys, b.value())
	default:
		return b.target.lock(ctx, fmt.Sprintf("lock/%d", client))
	}
}

// measure does one kind of work for the time of the run.
func (b *benchRun) measure(ctx context.Context, work string) (benchResult, error) {
	times := make([]latencies, b.clients)
	var unasked atomic.Uint64
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for i := range b.clients {
		g.Go(func() error {
			late, err := b.client(gctx, work, i, began, &times[i])
			unasked.Add(late)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return benchResult{}, err
	}
	over := time.Since(began)
	for i := range times[1:] {
		times[0].add(&times[i+1])
	}
	all := &times[0]
	r := benchResult{
		Work: work, Calls: all.n, Over: admin.Duration(over), PerSec: float64(all.n) / over.Seconds(),
		P50: all.percentile(0.5), P90: all.percentile(0.9), P99: all.percentile(0.99), P999: all.percentile(0.999), Max: all.percentile(1),
		Unasked: unasked.Load(),
	}
	if work == "batch" {
		r.KeysSec = r.PerSec * float64(b.batch)
	}
	return r, nil
}

// client makes calls one after the other. At a rate, each is due at its time, and the time that it takes counts from then, whether or not
// the client was still busy with the one before. What was due and could not be asked before the end is counted in late.
func (b *benchRun) client(ctx context.Context, work string, i int, began time.Time, times *latencies) (late uint64, err error) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), uint64(i)))
	end, due := began.Add(b.time), began
	var step time.Duration
	if b.rate > 0 {
		step = max(1, time.Duration(float64(time.Second)*float64(b.clients)/b.rate))
		due = began.Add(step * time.Duration(i) / time.Duration(b.clients))
	}
	wait := time.NewTimer(0)
	defer wait.Stop()
	for now := time.Now(); now.Before(end); {
		switch {
		case step == 0:
			due = now
		case !due.Before(end):
			return 0, nil
		case now.Before(due):
			wait.Reset(due.Sub(now))
			select {
			case <-wait.C:
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		if err := b.call(ctx, work, i, rng); err != nil {
			return 0, err
		}
		now = time.Now()
		times.record(now.Sub(due))
		due = due.Add(step)
	}
	if step > 0 && due.Before(end) {
		late = uint64((end.Sub(due) + step - 1) / step)
	}
	return late, nil
}
