package minikv

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// Limits of what [Registry.Quarantined] tells of.
const (
	QuarantineTime  = 24 * time.Hour
	QuarantineLen   = 10_000   // entries
	QuarantineBytes = 16 << 20 // keys and values; the latest entry is kept also where it is longer by itself
)

// QuarantinedEntry is an entry that this node removed on a peer's word. The caller owns it, Value included.
type QuarantinedEntry struct {
	Entry             // as it was; Lock is nil
	Peer    PeerID    // on whose word
	Removed time.Time // by this node's clock
}

// Quarantined walks the entries that exchanges have removed here because a peer had seen them and held them
// no more, the one removed first at the beginning. Nearly always they were deleted, and the delete is older
// than Config.TombstoneRetention, so that only its effect is known; no other delete shows up here. Where the
// peer was wrong, because its memory was damaged or it lied, this is where the values are: [Registry.PutBack]
// writes them again. Entries leave after [QuarantineTime] by this node's clock, and earlier where there are
// more than [QuarantineLen] or [QuarantineBytes]. It is a matter of this node alone, and is over with it.
//
// An error, once, ends the walk: [ErrClosed] or the context's.
func (r *Registry) Quarantined(ctx context.Context) iter.Seq2[QuarantinedEntry, error] {
	return func(yield func(QuarantinedEntry, error) bool) {
		held, err := r.quarantined(ctx)
		if err != nil {
			yield(QuarantinedEntry{}, r.wrap("quarantined", "", err))
			return
		}
		for _, q := range held {
			if err := r.mayGoOn(ctx); err != nil {
				yield(QuarantinedEntry{}, r.wrap("quarantined", "", err))
				return
			}
			q.Value = append(make([]byte, 0, len(q.Value)), q.Value...)
			if !yield(q, nil) {
				return
			}
		}
	}
}

// PutBack writes again what [Registry.Quarantined] tells of under the key, of several the one removed last, with
// the expiry it had, and tells whether it has written: nothing is where the key holds the same value again.
// [ErrPresent] where it holds another one and over is false; true overwrites that. [ErrNotFound] when nothing
// of the key is kept aside, or it would have expired by now. Once put back the key leaves the quarantine on this
// node; other nodes, which get it as any write, may go on to list it for its day.
//
// The look and the write are one step. Of options, those of a put under a lease and [NoWait] count.
func (r *Registry) PutBack(ctx context.Context, key string, over bool, opts ...WriteOption) (bool, error) {
	o, err := newWriteOptions(opts)
	if err == nil {
		err = r.checkWrite(ctx, key)
	}
	if err != nil {
		return false, r.wrap("put back", key, err)
	}
	wall := r.node.cfg.Clock()
	at := r.node.instant()
	r.mu.Lock()
	r.quarantine.expire(wall)
	written, err := r.putBackStep(at, key, over, o)
	r.mu.Unlock()
	if err = r.settleUnless(o.noWait, err); err != nil {
		return false, r.wrap("put back", key, err)
	}
	return written, nil
}

// putBackStep is PutBack's part under the registry's lock.
func (r *Registry) putBackStep(at replica.Instant, key string, over bool, o writeOptions) (bool, error) {
	rec, err := r.present(key)
	if err != nil && err != ErrNotFound {
		return false, err
	}
	e, ok := r.quarantine.latest(key)
	if !ok {
		return false, detailf(ErrNotFound, "nothing of this key is kept aside")
	}
	w := replica.Write{Key: key, Value: e.Value}
	if !e.Expires.IsZero() {
		if w.Expires, err = expiryStamp(e.Expires); err != nil {
			return false, err
		}
		if w.Expires <= r.now() {
			return false, detailf(ErrNotFound, "what is kept aside of this key would have expired at %s", e.Expires.UTC().Format(time.RFC3339))
		}
	}
	same := !rec.IsZero() && bytes.Equal(rec.Value(), e.Value)
	if !rec.IsZero() && !same && !over {
		return false, ErrPresent
	}
	if w.Fence, err = r.fence(at, key, &o); err != nil {
		return false, err
	}
	if !same {
		if _, err := r.write(at, w); err != nil {
			return false, err
		}
	}
	r.quarantine.forget(key)
	return !same, nil
}

func (r *Registry) quarantined(ctx context.Context) ([]QuarantinedEntry, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	now := r.node.cfg.Clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	r.quarantine.expire(now)
	return r.quarantine.list(), nil
}

// quarantine keeps what exchanges have removed for a while. Guarded by the registry's lock.
type quarantine struct {
	held  queue[QuarantinedEntry]
	bytes int
}

func (q *quarantine) list() []QuarantinedEntry {
	return append([]QuarantinedEntry(nil), q.held.items[q.held.head:]...)
}

// latest is the entry of a key that was removed last.
func (q *quarantine) latest(key string) (QuarantinedEntry, bool) {
	for i := len(q.held.items) - 1; i >= q.held.head; i-- {
		if e := q.held.items[i]; e.Key == key {
			return e, true
		}
	}
	return QuarantinedEntry{}, false
}

// forget lets go of all entries of a key. That is quick for one that was removed late.
func (q *quarantine) forget(key string) {
	kept := slices.DeleteFunc(q.held.items[q.held.head:], func(e QuarantinedEntry) bool {
		if e.Key == key {
			q.bytes -= len(e.Key) + len(e.Value)
		}
		return e.Key == key
	})
	if q.held.items = q.held.items[:q.held.head+len(kept)]; len(kept) == 0 {
		q.held.items, q.held.head = nil, 0
	}
}

func (q *quarantine) add(e QuarantinedEntry) {
	q.held.push(e)
	q.bytes += len(e.Key) + len(e.Value)
	for q.held.len() > QuarantineLen || (q.bytes > QuarantineBytes && q.held.len() > 1) {
		q.dropOldest()
	}
}

func (q *quarantine) dropOldest() {
	e, _ := q.held.pop()
	q.bytes -= len(e.Key) + len(e.Value)
}

// expire lets go of what has been there for long enough.
func (q *quarantine) expire(now time.Time) {
	for q.held.len() > 0 && now.Sub(q.held.items[q.held.head].Removed) >= QuarantineTime {
		q.dropOldest()
	}
}

// intern keeps what a change took out on a peer's word, if it was a value that users could see. The registry
// is locked.
func (r *Registry) intern(c replica.Change) {
	if !c.Dropped || c.Was.Kind() != lwwmap.Data || c.Was.Dead(r.now()) {
		return
	}
	e := QuarantinedEntry{
		Entry: Entry{Key: strings.Clone(c.Was.Key()), Writer: r.writers[c.Was.Dot().Actor]},
		Peer:  PeerID(c.Peer), Removed: r.node.cfg.Clock(),
	}
	fillEntry(&e.Entry, c.Was)
	r.quarantine.add(e)
}
