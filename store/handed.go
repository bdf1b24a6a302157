package store

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/lwwmap"
)

// handed are steps on their way to the engine. They are read here until it has them.
type handed struct {
	batch   *pebble.Batch
	pending map[place]lwwmap.Record
	done    chan struct{} // closed when it has
}

// handOver is flush for one who is not the owner and waits for the disk, by the batch
// that it returns; nil if there is nothing to hand over. The owner goes on as soon as
// the steps have been taken out, while the engine works. Only for who makes an fsync.
func (t *table) handOver() (b *pebble.Batch, err error) {
	t.lock.Lock()
	unlock := sync.OnceFunc(t.lock.Unlock)
	defer unlock()
	err = t.s.use(func() error {
		t.awaitHanded()
		h, err := t.takeOut()
		if h == nil {
			return err
		}
		t.s.group.admitLate()
		unlock()
		b = h.batch
		if err := t.give(h, pebble.Sync); err != nil {
			return err
		}
		return t.s.Err()
	})
	return b, err
}

// awaitHanded waits until the engine has what it was handed: it gets all in order.
func (t *table) awaitHanded() {
	h := t.handed
	if h == nil {
		return
	}
	<-h.done
	t.handed = nil
	if len(h.pending) <= 4096 {
		clear(h.pending)
		t.spare = h.pending
	}
}

// takeOut makes one batch of the steps that have ended, nil if there are none.
func (t *table) takeOut() (*handed, error) {
	if t.steps == 0 {
		return nil, nil
	}
	if t.s.broken.Load() {
		return nil, t.s.Err()
	}
	b := t.batch
	err := t.s.engine(func() error { return errors.Join(b.Apply(t.dots, nil), t.journal(b)) })
	if err != nil {
		t.giveUp()
		t.failAll(err)
		return nil, t.s.Err()
	}
	t.handed = &handed{batch: b, pending: t.pending, done: make(chan struct{})}
	steps := t.steps
	t.batch, t.pending, t.spare = nil, t.spare, nil // who waits for the batch closes it
	t.discard()
	t.s.group.made(t, steps)
	return t.handed, nil
}

// give gives the engine what was taken out.
func (t *table) give(h *handed, o *pebble.WriteOptions) error {
	defer close(h.done)
	err := t.s.engine(func() error {
		if o.Sync {
			return t.s.db.ApplyNoSyncWait(h.batch, o)
		}
		defer h.batch.Close()
		return h.batch.Commit(o)
	})
	if err != nil {
		t.failAll(err)
		return t.s.Err()
	}
	return nil
}
