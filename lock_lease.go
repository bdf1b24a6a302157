package minikv

import (
	"context"
	"iter"
	"time"
)

// LockInfo describes a lease as this node knows it.
type LockInfo struct {
	Key      string
	Owner    PeerID
	Token    Token
	TTL      time.Duration
	Since    time.Time // of the claim, by the owner's clock
	Until    time.Time // when it lapses unless renewed, by this node's clock
	Renewals uint64
}

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

// LockEvent is a change of a lease that [Registry.WatchLocks] delivers.
type LockEvent struct {
	Kind    LockEventKind
	Info    LockInfo
	Loser   LockInfo      // of LockOverlap
	Overlap time.Duration // of LockOverlap: for how long both were live, from the later claim on
}

// Lock waits until it holds a lease on key or ctx ends; then a [*LockedError] that also is the context's error. It waits for news of the lease, without polling. It works
// offline. A second Lock on the same node waits like any other: the lease belongs to the returned handle. The key need not be present.
func (r *Registry) Lock(ctx context.Context, key string, opts ...LockOption) (*Lease, error) {
	return nil, errPending
}

// TryLock is Lock without waiting: a [*LockedError] with owner and remaining time when the key is held.
func (r *Registry) TryLock(ctx context.Context, key string, opts ...LockOption) (*Lease, error) {
	return nil, errPending
}

// WithLock waits for the lease, runs fn and unlocks, also when fn panics. fn's context ends with a [*LeaseLostError] as its cause
// when the lease is lost. It returns fn's error, joined by the LeaseLostError where the lease was lost meanwhile.
func (r *Registry) WithLock(ctx context.Context, key string, fn func(context.Context, *Lease) error, opts ...LockOption) error {
	return errPending
}

// Unlock releases a live lease by its token, whoever holds the handle. [ErrLeaseLost] when the token is not that of the live lease on key.
func (r *Registry) Unlock(ctx context.Context, key string, t Token) error { return errPending }

// LockInfo returns the live lease on key; ok is false when there is none.
func (r *Registry) LockInfo(ctx context.Context, key string) (info LockInfo, ok bool, err error) {
	return LockInfo{}, false, errPending
}

// Locks walks the live leases on keys that begin with prefix, by ascending key.
func (r *Registry) Locks(ctx context.Context, prefix string) iter.Seq2[LockInfo, error] { return nil }

// WatchLocks yields LockHeld for each live lease on keys that begin with prefix, then every later change, until ctx ends; then its
// error, once. Changes of one key may be merged while the consumer is busy: the last state is always delivered, and every overlap.
func (r *Registry) WatchLocks(ctx context.Context, prefix string) iter.Seq2[LockEvent, error] {
	return nil
}

// Lease is a held lock. It renews itself every third of its TTL until Unlock, loss, or Close of the node. Safe for concurrent use.
//
// Before any side effect outside this registry call [Lease.Check], and pass the [Lease.Token] along where the resource can check it.
type Lease struct{}

// Key is the locked key.
func (l *Lease) Key() string { return "" }

// Token is the fencing token.
func (l *Lease) Token() Token { return Token{} }

// Done is closed when the lease is lost or released.
func (l *Lease) Done() <-chan struct{} { return nil }

// Err is nil while the lease is held and after Unlock, else a [*LeaseLostError].
func (l *Lease) Err() error { return nil }

// Context is cancelled when the lease ends. Its cause is the [*LeaseLostError], or context.Canceled after Unlock. It carries no values and no deadline.
func (l *Lease) Context() context.Context { return nil }

// Until is the time past which the holder must not act without a renewal: a margin before others may take the key.
func (l *Lease) Until() time.Time { return time.Time{} }

// Check returns nil when the lease is held and has at least minRemaining before Until, else an error of class [ErrLeaseLost]. It does no I/O; call it before a side effect.
func (l *Lease) Check(minRemaining time.Duration) error { return errPending }

// Put stores the value of the locked key under the lease: [Registry.Put] with [Under].
func (l *Lease) Put(ctx context.Context, value []byte, opts ...PutOption) (Revision, error) {
	return Revision{}, errPending
}

// Extend renews the lease now, with another TTL from here on; 0 keeps it. Bounds are those of [TTL]. [ErrLeaseLost] when it is not held any more.
func (l *Lease) Extend(ctx context.Context, ttl time.Duration) error { return errPending }

// Unlock releases the lease. Idempotent; nil also when it was lost before, for then there is nothing to release.
func (l *Lease) Unlock(ctx context.Context) error { return errPending }
