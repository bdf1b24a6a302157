package minikv

import (
	"context"
	"errors"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// lockTable is what a registry knows of leases beyond their records: the handles of this node, who waits,
// and who watches. Guarded by the registry's lock.
type lockTable struct {
	held    map[string]*Lease
	queues  map[string]*lockQueue
	watches []*lockWatch
	overlap overlaps
}

// note is told of each change of a lease record, and of a claim that the held one has beaten.
func (t *lockTable) note(r *Registry, c replica.Change) {
	if c.Now.IsZero() {
		return // an old record was forgotten
	}
	key, info := c.Now.Key(), replica.Lease(c.Now)
	if l := t.held[key]; l != nil {
		l.noteRecord(info)
	}
	if q := t.queues[key]; q != nil {
		q.rouse()
	}
	loser := c.Rival
	if loser.IsZero() {
		loser = c.Was
	}
	if both := r.overlapOf(key, c.Now, loser); both != nil && t.overlap.isNew(both) {
		r.counts.overlaps++
		for _, w := range t.watches {
			w.noteOverlap(*both)
		}
	}
	for _, w := range t.watches {
		w.note(key)
	}
}

// overlapOf tells of two claims of different owners that were live at once, nil if they were not. A claim
// counts as live from its stamp until it was released or, if it was not renewed, its TTL after the last
// renewal.
func (r *Registry) overlapOf(key string, winner, loser lwwmap.Record) *LockEvent {
	if loser.IsZero() {
		return nil
	}
	w, l := replica.Lease(winner), replica.Lease(loser)
	if w.Token.Owner() == l.Token.Owner() {
		return nil
	}
	from := max(w.Token.Claim(), l.Token.Claim())
	to := min(r.node.clock.Reading(r.node.cfg.Clock()), leaseEnd(winner, w), leaseEnd(loser, l))
	if to <= from {
		return nil
	}
	return &LockEvent{Kind: LockOverlap, Info: lockInfo(key, w), Loser: lockInfo(key, l), Overlap: max(to.Sub(from), time.Millisecond)}
}

func leaseEnd(rec lwwmap.Record, l replica.LeaseInfo) hlc.Timestamp {
	if l.Released {
		return rec.Stamp()
	}
	return rec.Stamp().Add(l.TTL)
}

// overlaps remembers which pairs of claims have been reported: the loser's record may arrive many times.
type overlaps struct {
	seen  map[[2]Token]bool
	order queue[[2]Token]
}

const maxOverlaps = 1024

func (o *overlaps) isNew(e *LockEvent) bool {
	pair := [2]Token{e.Info.Token, e.Loser.Token}
	if o.seen[pair] {
		return false
	}
	if o.seen == nil {
		o.seen = map[[2]Token]bool{}
	}
	if o.order.len() == maxOverlaps {
		oldest, _ := o.order.pop()
		delete(o.seen, oldest)
	}
	o.seen[pair] = true
	o.order.push(pair)
	return true
}

// lockQueue holds who waits for a key on this node, in the order of their coming. Only the first one tries
// to claim.
type lockQueue struct {
	key     string
	waiters []*lockWaiter
}

type lockWaiter struct {
	r   *Registry
	q   *lockQueue
	try chan struct{} // capacity 1: it is worth trying
}

func (q *lockQueue) rouse() {
	if len(q.waiters) > 0 {
		rouse(q.waiters[0].try)
	}
}

// queueFor joins the queue for a key.
func (r *Registry) queueFor(key string) (*lockWaiter, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	q := r.locks.queues[key]
	if q == nil {
		q = &lockQueue{key: key}
		r.locks.queues[key] = q
	}
	w := &lockWaiter{r: r, q: q, try: make(chan struct{}, 1)}
	q.waiters = append(q.waiters, w)
	q.rouse()
	return w, nil
}

// leaveQueue takes a waiter out and lets the next one try.
func (r *Registry) leaveQueue(w *lockWaiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := w.q
	for i, v := range q.waiters {
		if v == w {
			q.waiters = append(q.waiters[:i], q.waiters[i+1:]...)
			break
		}
	}
	if len(q.waiters) == 0 {
		delete(r.locks.queues, q.key)
		return
	}
	q.rouse()
}

// wait claims the key as soon as it is this waiter's turn and the key is free.
func (w *lockWaiter) wait(ctx context.Context, o lockOptions) (*Lease, error) {
	lapse := time.NewTimer(time.Hour)
	defer lapse.Stop()
	lapse.Stop()
	for {
		select {
		case <-w.try:
		case <-lapse.C:
		case <-w.r.done:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, w.givenUp(ctx)
		}
		l, err := w.r.claim(w.q.key, o)
		var locked *replica.LockedError
		if !errors.As(err, &locked) {
			return l, err
		}
		lapse.Reset(locked.Remaining)
	}
}

// givenUp is the error of a wait that its context ended: whose the lock is, and the context's error.
func (w *lockWaiter) givenUp(ctx context.Context) error {
	r := w.r
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.err != nil {
		return r.err
	}
	lease, left, live := r.rep.LeaseOn(r.node.instant(), w.q.key)
	if !live {
		return ctx.Err()
	}
	locked := translate(&replica.LockedError{Key: w.q.key, Lease: lease, Remaining: left})
	return &waitError{locked, ctx.Err()}
}

// waitError is of two classes: ErrLocked and that of the context.
type waitError struct{ locked, ctx error }

func (e *waitError) Error() string   { return e.ctx.Error() + " while waiting: " + e.locked.Error() }
func (e *waitError) Unwrap() []error { return []error{e.locked, e.ctx} }
