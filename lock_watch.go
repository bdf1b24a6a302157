package minikv

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// LockEventKind says what a [LockEvent] tells.
type LockEventKind uint8

// Kinds of lock events.
const (
	LockHeld     LockEventKind = iota + 1 // taken
	LockRenewed                           // renewed or extended
	LockReleased                          // unlocked
	LockExpired                           // lapsed, as this node observed it
	LockOverlap                           // two claims were live at once; Info has won over Loser
)

// String is "held", "renewed", "released", "expired" or "overlap".
func (k LockEventKind) String() string {
	switch k {
	case LockHeld:
		return "held"
	case LockRenewed:
		return "renewed"
	case LockReleased:
		return "released"
	case LockExpired:
		return "expired"
	case LockOverlap:
		return "overlap"
	}
	return "unknown"
}

// LockEvent is a change of a lease that [Registry.WatchLocks] delivers. The receiver owns it.
type LockEvent struct {
	Kind    LockEventKind
	Info    LockInfo
	Loser   LockInfo      // of LockOverlap
	Overlap time.Duration // of LockOverlap: for how long both were live, from the later claim on, by the owners' clocks
}

// WatchLocks yields [LockHeld] for each live lease on keys that begin with prefix, then every later change,
// until ctx ends; then its error, once. Changes of one key may be merged while the consumer is busy: its
// last state is always delivered, and every overlap up to 1,024 that wait.
func (r *Registry) WatchLocks(ctx context.Context, prefix string) iter.Seq2[LockEvent, error] {
	return func(yield func(LockEvent, error) bool) {
		w, err := r.startLockWatch(ctx, prefix)
		if err != nil {
			yield(LockEvent{}, r.wrap("watch locks", prefix, err))
			return
		}
		defer r.stopLockWatch(w)
		for {
			ev, err := w.next(ctx)
			if err != nil {
				yield(LockEvent{}, r.wrap("watch locks", prefix, err))
				return
			}
			if !yield(ev, nil) {
				return
			}
		}
	}
}

// lockWatch is one loop over WatchLocks. It notes which keys have changed and, for each, compares what is
// held with what it told last.
type lockWatch struct {
	r      *Registry
	prefix string
	wake   chan struct{} // capacity 1

	told  map[string]LockInfo // live, as told; the consumer's own
	lapse time.Time           // no lease told of lapses before; zero: none is told of

	mu       sync.Mutex // taken inside the registry's lock where both are
	dirty    map[string]bool
	queue    queue[string]
	overlaps queue[LockEvent]
	err      error
}

func (r *Registry) startLockWatch(ctx context.Context, prefix string) (*lockWatch, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	w := &lockWatch{r: r, prefix: prefix, wake: make(chan struct{}, 1), told: map[string]LockInfo{}, dirty: map[string]bool{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	r.m.Ascend(lwwmap.Lease, prefix, "", func(rec lwwmap.Record) bool {
		w.note(rec.Key())
		return strings.HasPrefix(rec.Key(), prefix)
	})
	if err := r.m.Err(); err != nil {
		return nil, err
	}
	r.locks.watches = append(r.locks.watches, w)
	return w, nil
}

func (r *Registry) stopLockWatch(w *lockWatch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.locks.watches = without(r.locks.watches, w)
}

// note says that the lease on a key has changed. The registry is locked.
func (w *lockWatch) note(key string) {
	if !strings.HasPrefix(key, w.prefix) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dirty[key] {
		return
	}
	key = strings.Clone(key)
	w.dirty[key] = true
	w.queue.push(key)
	rouse(w.wake)
}

func (w *lockWatch) noteOverlap(e LockEvent) {
	if !strings.HasPrefix(e.Info.Key, w.prefix) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.overlaps.len() < maxOverlaps {
		w.overlaps.push(e)
	}
	rouse(w.wake)
}

func (w *lockWatch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	rouse(w.wake)
}

// next returns the next event, and waits for it, or for a lapse, if need be.
func (w *lockWatch) next(ctx context.Context) (LockEvent, error) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return LockEvent{}, err
		}
		key, overlap, err := w.take()
		switch {
		case err != nil:
			return LockEvent{}, err
		case overlap != nil:
			return *overlap, nil
		case key != "":
			if ev, ok := w.compare(key); ok {
				return ev, nil
			}
			continue
		}
		if ev, ok := w.expired(); ok {
			return ev, nil
		}
		timer.Stop()
		if !w.lapse.IsZero() {
			timer.Reset(time.Until(w.lapse))
		}
		select {
		case <-w.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// take removes what waits: overlaps first, then the key that has waited longest.
func (w *lockWatch) take() (key string, overlap *LockEvent, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return "", nil, w.err
	}
	if e, ok := w.overlaps.pop(); ok {
		return "", &e, nil
	}
	key, _ = w.queue.pop()
	delete(w.dirty, key)
	return key, nil, nil
}

// compare tells what has become of the lease on a key since it was told of.
func (w *lockWatch) compare(key string) (LockEvent, bool) {
	now, state := w.r.lockState(key)
	was, known := w.told[key]
	if state != lockLive {
		delete(w.told, key)
		if state == lockReleased {
			return LockEvent{Kind: LockReleased, Info: now}, known
		}
		return LockEvent{Kind: LockExpired, Info: now}, known
	}
	if lapse := now.Until; w.lapse.IsZero() || lapse.Before(w.lapse) {
		w.lapse = lapse
	}
	w.told[key] = now
	switch {
	case !known || now.Token.claim() != was.Token.claim():
		return LockEvent{Kind: LockHeld, Info: now}, true
	case now.Renewals > was.Renewals:
		return LockEvent{Kind: LockRenewed, Info: now}, true
	}
	return LockEvent{}, false
}

// expired looks for leases that have lapsed without a word, once the earliest may have.
func (w *lockWatch) expired() (LockEvent, bool) {
	if w.lapse.IsZero() || time.Until(w.lapse) > 0 {
		return LockEvent{}, false
	}
	w.lapse = time.Time{}
	for key := range w.told {
		info, state := w.r.lockState(key)
		if state == lockLive {
			if w.lapse.IsZero() || info.Until.Before(w.lapse) {
				w.lapse = info.Until
			}
			continue
		}
		w.lapse = time.Now() // there may be more
		return w.compare(key)
	}
	return LockEvent{}, false
}

type lockState uint8

const (
	lockAbsent lockState = iota
	lockLive
	lockLapsed
	lockReleased
)

// lockState returns what is known of the lease on a key. Until is by the machine's clock, not Config.Clock:
// timers are set by it.
func (r *Registry) lockState(key string) (LockInfo, lockState) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.err != nil {
		return LockInfo{Key: key}, lockAbsent
	}
	lease, left, live := r.rep.LeaseOn(r.node.instant(), key)
	info := lockInfo(key, lease)
	switch {
	case live:
		info.Until = time.Now().Add(left)
		return info, lockLive
	case lease.Released:
		return info, lockReleased
	case lease.Token == (replica.LeaseInfo{}).Token:
		return info, lockAbsent
	}
	return info, lockLapsed
}
