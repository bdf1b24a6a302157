package minikv

import (
	"context"
	"iter"
)

// EventKind says what an [Event] tells.
type EventKind uint8

// Kinds of events.
const (
	EventPut    EventKind = iota + 1 // the key is present with this entry
	EventDelete                      // the key was deleted
	EventExpire                      // the key's expiry came
	EventSynced                      // all that was present at the start has been delivered; no entry
)

// String is "put", "delete", "expire" or "synced".
func (k EventKind) String() string {
	switch k {
	case EventPut:
		return "put"
	case EventDelete:
		return "delete"
	case EventExpire:
		return "expire"
	case EventSynced:
		return "synced"
	}
	return "unknown"
}

// Event is one change that a watch delivers. The receiver owns it.
type Event struct {
	Kind  EventKind
	Entry Entry // for deletes and expiries without Value; Rev and Writer are zero where a peer told only that the key is gone
	Local bool  // written on this node

	at mark
}

// mark is an event's place among those of its watch.
type mark struct {
	w *watch
	n uint64
}

// Position is where the watch stands with this event: give it to [After] to go on from there, later or on
// another node. It covers what has been delivered, this event included, so what a consumer did not come to
// handle before a crash is delivered again: at least once. Call it before the next event is taken;
// afterwards it returns the zero Position, which goes on from the beginning. Before [EventSynced] it is the
// position at which the watch began. It takes some microseconds and 20 bytes for each opening of the
// registry on any node that wrote since.
func (e Event) Position() Position {
	if e.at.w == nil {
		return Position{}
	}
	return e.at.w.position(e.at.n)
}

// Watch yields the present entries whose keys begin with prefix by ascending key, one [EventSynced], then
// every later change, until ctx ends; then its error, once. Changes of one key come in order and may be
// merged while the consumer is busy; its last state is always delivered. An entry that expires is told
// once, at its time. A slow consumer costs memory for each distinct key that waits, never a writer's time.
// Stop by leaving the loop. Every loop over the result is a watch of its own.
func (r *Registry) Watch(ctx context.Context, prefix string, opts ...WatchOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w, err := r.startWatch(ctx, prefix, opts)
		if err != nil {
			yield(Event{}, r.wrap("watch", prefix, err))
			return
		}
		defer r.stopWatch(w)
		for {
			ev, err := w.next(ctx)
			if err != nil {
				yield(Event{}, r.wrap("watch", prefix, err))
				return
			}
			if !yield(ev, nil) {
				return
			}
		}
	}
}

func (r *Registry) startWatch(ctx context.Context, prefix string, opts []WatchOption) (*watch, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	o, err := newWatchOptions(opts)
	if err != nil {
		return nil, err
	}
	w := newWatch(r, prefix)
	if !o.after.IsZero() {
		if w.resumed, err = o.after.context(positionTag(r.name, prefix)); err != nil {
			return nil, err
		}
		w.start = o.after
	}
	w.walking = !o.updatesOnly
	w.unsynced = true
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	r.watches = append(r.watches, w)
	return w, nil
}

func (r *Registry) stopWatch(w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watches = without(r.watches, w)
}
