package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv/crdt"
)

// What a replica refuses. The root package gives these to users under its own
// names.
var (
	ErrKey       = errors.New("replica: key is empty or too long")
	ErrValue     = errors.New("replica: value too long")
	ErrLocked    = errors.New("replica: key is under a lease")
	ErrLeaseLost = errors.New("replica: lease lost")
	ErrProtocol  = errors.New("replica: peer broke the protocol")
	ErrVersion   = errors.New("replica: peer speaks another version of the protocol")
	ErrBounds    = errors.New("replica: message exceeds its bounds")
	ErrFull      = errors.New("replica: registry is full")
	// ErrUnverified means that a session exchanged entries but that the two sides
	// differ still; nothing was merged, and it is tried again.
	ErrUnverified = errors.New("replica: both sides differ after the session")
)

// LockedError says who holds the lease and for how long at most, as far as
// this replica has heard. It wraps ErrLocked.
type LockedError struct {
	Key       string
	Lease     LeaseInfo
	Remaining time.Duration
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("replica: %q is under a lease of %s for %s more", e.Key, e.Lease.Owner, e.Remaining.Round(time.Millisecond))
}

func (e *LockedError) Unwrap() error { return ErrLocked }

// ForgedError says that a peer wrote as an actor that is another peer.
type ForgedError struct {
	Actor        crdt.Actor
	Writer, From string
}

func (e *ForgedError) Error() string {
	return fmt.Sprintf("replica: actor %s is peer %s, yet peer %s wrote under it", e.Actor, e.Writer, e.From)
}

// EntryError says why an entry of a peer was refused.
type EntryError struct {
	Entry crdt.Dot
	Why   string
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("replica: entry %s refused: %s", e.Entry, e.Why)
}
