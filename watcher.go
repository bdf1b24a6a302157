package minikv

import (
	"context"
	"strings"
	"sync"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// watch is one loop over [Registry.Watch]. First it walks the registry in pages; the key up to which it has
// come divides the changes: those behind are noted, those ahead the walk will meet. Then it delivers what
// has been noted, oldest first, each key at most once. So it holds no snapshot, and its memory is bounded
// by the number of distinct keys that wait.
type watch struct {
	r       *Registry
	prefix  string
	resumed *crdt.Context // what the consumer has from an earlier watch; nil: nothing
	start   Position
	wake    chan struct{} // capacity 1

	page []lwwmap.Record // walked, not delivered; the consumer's own

	mu       sync.Mutex // taken inside the registry's lock where both are
	walking  bool
	unsynced bool   // EventSynced is still to come
	ahead    string // the first key that the walk has not passed
	pending  map[string]*pendingChange
	queue    queue[*pendingChange]
	events   uint64
	err      error
}

// pendingChange is the newest change of a key that waits for delivery.
type pendingChange struct {
	rec  lwwmap.Record // what is held, or what went
	fate fate
}

type fate uint8

const (
	held    fate = iota // rec is held: an entry or a tombstone
	expired             // rec's expiry has come
	dropped             // rec went on a peer's word
	skipped             // nothing to tell: the walk will
)

// Bounds of one page: the registry's lock is held while it is gathered.
const (
	pageLen  = 256  // records to deliver
	pageScan = 4096 // records looked at
)

func newWatch(r *Registry, prefix string) *watch {
	return &watch{r: r, prefix: prefix, ahead: prefix, wake: make(chan struct{}, 1), pending: map[string]*pendingChange{}}
}

// next returns the next event, and waits for it if need be.
func (w *watch) next(ctx context.Context) (Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Event{}, err
		}
		if len(w.page) > 0 {
			rec := w.page[0]
			w.page = w.page[1:]
			return w.event(&pendingChange{rec: rec}), nil
		}
		if w.isWalking() {
			if err := w.walk(); err != nil {
				return Event{}, err
			}
			continue
		}
		p, synced, err := w.take()
		switch {
		case err != nil:
			return Event{}, err
		case synced:
			return w.event(nil), nil
		case p != nil && w.isNews(p):
			return w.event(p), nil
		case p != nil:
			continue
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
		}
	}
}

// isNews says whether a change is to be told. An entry that has expired is not: that follows when its space
// is reclaimed, which is at once.
func (w *watch) isNews(p *pendingChange) bool {
	return p.fate != skipped && !(p.fate == held && w.r.isExpired(p.rec))
}

func (w *watch) isWalking() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.walking
}

// take removes the oldest change that waits.
func (w *watch) take() (p *pendingChange, synced bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return nil, false, w.err
	}
	if w.unsynced {
		w.unsynced = false
		return nil, true, nil
	}
	if w.queue.len() < fewestDue {
		return nil, false, nil
	}
	p, _ = w.queue.pop()
	delete(w.pending, p.rec.Key())
	return p, false, nil
}

// walk gathers one page.
func (w *watch) walk() error {
	r := w.r
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return r.err
	}
	now, scanned, end := r.now(), 0, true
	var last lwwmap.Record
	w.page = w.page[:0:0]
	r.m.Ascend(lwwmap.Data, w.ahead, "", func(rec lwwmap.Record) bool {
		if !strings.HasPrefix(rec.Key(), w.prefix) {
			return false
		}
		if len(w.page) == pageLen || scanned == pageScan {
			end = false
			return false
		}
		scanned++
		last = rec
		if w.tells(rec) && (rec.Deleted() || !rec.Dead(now)) {
			w.page = append(w.page, rec)
		}
		return true
	})
	if err := r.m.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !last.IsZero() {
		w.ahead = last.Key() + "\x00"
	}
	w.walking = !end
	return nil
}

// tells says whether the walk delivers a record.
func (w *watch) tells(rec lwwmap.Record) bool {
	if w.resumed == nil {
		return !rec.Deleted()
	}
	return !w.resumed.Has(rec.Dot())
}

// note takes in a change. The registry is locked.
func (w *watch) note(c replica.Change) {
	rec, f := c.Now, held
	switch {
	case c.Expired:
		rec, f = c.Was, expired
	case rec.IsZero():
		rec, f = c.Was, dropped
	}
	if !strings.HasPrefix(rec.Key(), w.prefix) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pending[rec.Key()]
	if w.walking && rec.Key() >= w.ahead {
		switch {
		case w.resumed == nil:
			return
		case f == held && p != nil:
			p.fate = skipped
			return
		case f == held:
			return
		}
	}
	if f == held && rec.Deleted() && (c.Was.IsZero() || c.Was.Deleted()) && !w.tellsTombstone(p, c.Was) {
		return
	}
	if p != nil {
		p.rec, p.fate = rec, f
		return
	}
	p = &pendingChange{rec, f}
	w.pending[strings.Clone(rec.Key())] = p
	w.queue.push(p)
	rouse(w.wake)
}

// tellsTombstone says whether a tombstone is news where no value was held.
func (w *watch) tellsTombstone(p *pendingChange, was lwwmap.Record) bool {
	if p != nil {
		return p.fate == held && p.rec.Deleted()
	}
	return w.resumed != nil && was.IsZero() // the consumer may have the value from another node
}

// backlog is the number of changes that wait.
func (w *watch) backlog() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue.len()
}

// fail ends the watch.
func (w *watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	rouse(w.wake)
}

// event makes the event of a change; nil stands for EventSynced.
func (w *watch) event(p *pendingChange) Event {
	w.mu.Lock()
	w.events++
	at := mark{w, w.events}
	w.mu.Unlock()
	if p == nil {
		return Event{Kind: EventSynced, at: at}
	}
	e := w.r.decorate(p.rec)
	ev := Event{Kind: EventPut, Local: e.Writer == w.r.node.id, at: at}
	switch {
	case p.fate == expired:
		ev.Kind = EventExpire
	case p.fate == dropped:
		ev.Kind, ev.Local, e = EventDelete, false, Entry{Key: e.Key}
	case p.rec.Deleted():
		ev.Kind = EventDelete
	}
	if ev.Kind != EventPut {
		e.Value, e.Lock = nil, nil
	}
	ev.Entry = e
	return ev
}

// position is where the watch stands if its latest event is the n-th: all that the registry has seen,
// without what still waits. It is taken under the registry's lock, so that nothing is on its way from one
// to the other.
func (w *watch) position(n uint64) Position {
	w.r.mu.RLock()
	defer w.r.mu.RUnlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if n != w.events || w.r.err != nil {
		return Position{}
	}
	if w.unsynced {
		return w.start
	}
	return newPosition(positionTag(w.r.name, w.prefix), w.r.m.Context().Sub(w.undelivered()))
}
