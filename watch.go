package minikv

import (
	"context"
	"encoding/base64"
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
	Local bool  // the write was made on this node
}

// Position is where the watch stands with this event: give it to [After] to go on from there, later or on another node. It covers what has been delivered,
// this event included, so what a consumer did not come to handle before a crash is delivered again: at least once.
// Call it before the next event is taken; afterwards it returns the zero Position, which goes on from the beginning. Before EventSynced
// it is the position at which the watch began. Some microseconds and 20 bytes for each node that ever wrote.
func (e Event) Position() Position { return Position{} }

// Position is a place in the changes of a registry, comparable for equality only. Zero: the beginning.
type Position struct{ enc string }

// IsZero reports whether p is the beginning.
func (p Position) IsZero() bool { return p.enc == "" }

// String is text for [ParsePosition], URL-safe; empty for the zero position.
func (p Position) String() string { return base64.RawURLEncoding.EncodeToString([]byte(p.enc)) }

// ParsePosition is the reverse of String. Text that is no position is ErrInvalid.
func ParsePosition(s string) (Position, error) { return Position{}, errPending }

// Watch yields the present entries whose keys begin with prefix by ascending key, one [EventSynced], then every later change, until
// ctx ends; then its error, once. Changes of one key come in order and may be merged while the consumer is busy; its last state is always delivered. An entry that expires
// is told once, at its time. A slow consumer costs memory for each distinct key that waits, never a writer's time.
// Stop by leaving the loop. Every loop over the result is a watch of its own.
func (r *Registry) Watch(ctx context.Context, prefix string, opts ...WatchOption) iter.Seq2[Event, error] {
	return nil
}
