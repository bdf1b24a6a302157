package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/minikv/minikv/server/admin"
)

// absent is the state of a key that is not there. No writer writes it.
const absent = ""

// killClient writes to a node that will be killed, alone to keys of its own, one call at a time, and records what was acknowledged.
type killClient struct {
	name  string
	rand  *rand.Rand
	batch int // keys that one call writes; 1: put or delete

	acked   map[string]string // key: value, or absent
	pending map[string]string // of the last call, if it got no answer: it may have been made or not
	seq     int
	last    string // highest revision acknowledged
	counts  killCounts
}

// killCounts is what a campaign has done.
type killCounts struct{ puts, deletes, batches, unanswered, survived int }

func (c *killCounts) add(o killCounts) {
	c.puts += o.puts
	c.deletes += o.deletes
	c.batches += o.batches
	c.unanswered += o.unanswered
	c.survived += o.survived
}

const (
	killKeys  = 60   // of each client
	killValue = 4096 // bytes, at most
)

func newKillClient(name string, batch int, r *rand.Rand) *killClient {
	return &killClient{name: name, rand: rand.New(rand.NewPCG(r.Uint64(), r.Uint64())), batch: batch, acked: map[string]string{}}
}

// newValue is one that has never been written.
func (w *killClient) newValue() string {
	w.seq++
	return fmt.Sprintf("%s %d %s", w.name, w.seq, strings.Repeat("x", w.rand.IntN(killValue)))
}

func (w *killClient) key() string { return fmt.Sprintf("%s/%02d", w.name, w.rand.IntN(killKeys)) }

// run writes until a call fails, which is an error unless the node has been killed meanwhile, or until it is told to stop.
func (w *killClient) run(ctx context.Context, cl *admin.Client, killed, stop *atomic.Bool) error {
	for !stop.Load() {
		w.pending = map[string]string{}
		rev, err := w.write(ctx, cl)
		if err != nil {
			w.counts.unanswered++
			if killed.Load() {
				return nil
			}
			return fmt.Errorf("%s: a write failed on a node that lives: %w", w.name, err)
		}
		if rev != "" {
			if rev <= w.last {
				return fmt.Errorf("%s: revision %s after %s", w.name, rev, w.last)
			}
			w.last = rev
		}
		for k, v := range w.pending {
			w.acked[k] = v
		}
		w.pending = nil
	}
	return nil
}

func (w *killClient) write(ctx context.Context, cl *admin.Client) (revision string, err error) {
	if w.batch > 1 {
		var records []admin.Record
		for len(w.pending) < w.batch {
			k, v := w.key(), w.newValue()
			if w.pending[k] == "" {
				w.pending[k] = v
				records = append(records, admin.Record{Key: k, Value: []byte(v)})
			}
		}
		w.counts.batches++
		_, err = cl.Batch(ctx, "r", records)
		return "", err
	}
	k := w.key()
	if w.rand.IntN(4) == 0 {
		w.pending[k] = absent
		w.counts.deletes++
		return "", cl.Delete(ctx, "r", k, "")
	}
	w.pending[k] = w.newValue()
	w.counts.puts++
	res, err := cl.Put(ctx, "r", k, []byte(w.pending[k]), admin.PutParams{})
	return res.Revision, err
}

// check compares what a node holds with what it acknowledged. The call without an answer was made as a whole or not at all.
func (w *killClient) check(held map[string]string) error {
	made, unmade := 0, 0
	for k, v := range w.pending {
		switch was := w.acked[k]; held[k] {
		case v:
			if v != was {
				made++
			}
		case was:
			unmade++
		default:
			return fmt.Errorf("%s holds %s; acknowledged was %s, and %s was under way", k, show(held[k]), show(was), show(v))
		}
	}
	if made > 0 && unmade > 0 {
		return fmt.Errorf("%s: %d writes of a batch are there, %d are not", w.name, made, unmade)
	}
	if made > 0 {
		w.counts.survived++
	}
	for k, v := range w.pending {
		if made > 0 {
			w.acked[k] = v
		}
	}
	w.pending = nil
	for k, v := range w.acked {
		if held[k] != v {
			return fmt.Errorf("%s holds %s; acknowledged was %s", k, show(held[k]), show(v))
		}
	}
	for k := range held {
		if _, known := w.acked[k]; !known && strings.HasPrefix(k, w.name+"/") {
			return fmt.Errorf("%s is there, and nobody wrote it", k)
		}
	}
	return nil
}

func show(v string) string {
	if v == absent {
		return "nothing"
	}
	return fmt.Sprintf("%.20q (%d bytes)", v, len(v))
}

// killLoad is some clients at once.
type killLoad struct {
	clients      []*killClient
	killed, stop atomic.Bool
	wg           sync.WaitGroup
	errs         []error
}

func (l *killLoad) start(ctx context.Context, cl *admin.Client) {
	l.killed.Store(false)
	l.stop.Store(false)
	l.errs = make([]error, len(l.clients))
	for i, c := range l.clients {
		l.wg.Go(func() { l.errs[i] = c.run(ctx, cl, &l.killed, &l.stop) })
	}
}

func (l *killLoad) wait() error {
	l.wg.Wait()
	return errors.Join(l.errs...)
}

// check reads a node and compares it with what each client knows.
func (l *killLoad) check(ctx context.Context, cl *admin.Client) error {
	held := map[string]string{}
	for e, err := range cl.Entries(ctx, "r", "") {
		if err != nil {
			return err
		}
		held[string(e.Key)] = string(e.Value)
	}
	for _, c := range l.clients {
		if err := c.check(held); err != nil {
			return err
		}
	}
	return nil
}
