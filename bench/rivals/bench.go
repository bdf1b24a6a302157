package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	ds "github.com/ipfs/go-datastore"
)

// bench carries what every group needs.
type bench struct {
	config
	ctx context.Context
	out *report
}

// errNotFinished is the outcome of work that did not end within its limit.
var errNotFinished = errors.New("not finished")

func background() context.Context { return context.Background() }

// row names one figure of a measurement.
type row struct{ what, unit string }

// measure reports the median of one figure over runs.
func (b *bench) measure(what, unit string, runs int, once func(ctx context.Context) (float64, error)) error {
	return b.measureRows([]row{{what, unit}}, runs, func(ctx context.Context) ([]float64, error) {
		v, err := once(ctx)
		return []float64{v}, err
	})
}

// measureRows runs one measurement runs times and reports the median of each of its figures. once returns one figure
// for each row, or errNotFinished wrapped with how far it came: then there is no second try, because waiting longer
// teaches nothing.
func (b *bench) measureRows(rows []row, runs int, once func(ctx context.Context) ([]float64, error)) error {
	results := make([]result, len(rows))
	for i, r := range rows {
		results[i] = result{What: r.what, Unit: r.unit, Limit: b.Limit.Seconds()}
	}
	for range runs {
		ctx, cancel := context.WithTimeout(b.ctx, b.Limit)
		v, err := once(ctx)
		cancel()
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		unfinished := errors.Is(err, errNotFinished) || errors.Is(err, context.DeadlineExceeded)
		if err != nil && !unfinished {
			return fmt.Errorf("%s: %w", rows[0].what, err)
		}
		for i := range results {
			if unfinished {
				results[i].Note = err.Error()
			} else {
				results[i].Values = append(results[i].Values, v[i])
			}
		}
		if unfinished {
			break
		}
	}
	for _, r := range results {
		if err := b.out.add(r); err != nil {
			return err
		}
	}
	return nil
}

// randomKeys makes n keys of 16 random bytes. The rival's keys are paths, so the bytes are written in hexadecimal.
func randomKeys(n int) []ds.Key {
	keys := make([]ds.Key, n)
	for i := range keys {
		var raw [16]byte
		rand.Read(raw[:]) // never fails
		keys[i] = ds.NewKey(hex.EncodeToString(raw[:]))
	}
	return keys
}

// randomValue makes 100 random bytes.
func randomValue() []byte {
	v := make([]byte, 100)
	rand.Read(v)
	return v
}

// poll calls done every 5 ms until it is true or ctx ends; then the error says how far it came.
func poll(ctx context.Context, done func() bool, far func() string) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", errNotFinished, far())
		case <-t.C:
		}
	}
	return nil
}
