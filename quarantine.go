package minikv

import (
	"context"
	"iter"
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
// peer was wrong, because its memory was damaged or it lied, this is where the values are: [Registry.Put]
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
