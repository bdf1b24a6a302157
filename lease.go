package minikv

import (
	"context"
	"sync"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// Lease is a held lock. It renews itself every third of its TTL until Unlock, loss, or Close of the node.
// Use [Registry.Lock] and the like. Safe for concurrent use.
//
// Before any side effect outside this registry call [Lease.Check], and pass the [Lease.Token] along where
// the resource can check it.
type Lease struct {
	r      *Registry
	key    string
	nonce  uint64
	opts   lockOptions
	ctx    context.Context // the lease's life itself
	cancel context.CancelCauseFunc
	soon   chan struct{} // capacity 1: renew now
	moved  chan struct{} // capacity 1: the time of the next renewal has changed

	mu      sync.Mutex // taken inside the registry's lock where both are
	token   Token
	ttl     time.Duration
	renewed replica.Instant // last time
	heard   time.Duration   // monotonic: last renewal that some peer could take
	over    bool
	err     error // *LeaseLostError, nil after Unlock
}

// Key is the locked key.
func (l *Lease) Key() string { return l.key }

// Token is the fencing token. It may grow, at a renewal on a later day and where the lease had to be
// claimed anew against one that was released: take it afresh for each use.
func (l *Lease) Token() Token {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.token
}

// Done is closed when the lease is lost or released.
func (l *Lease) Done() <-chan struct{} { return l.ctx.Done() }

// Err is nil while the lease is held and after Unlock, else a [*LeaseLostError].
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Context is cancelled when the lease ends. Its cause is the [*LeaseLostError], or context.Canceled after
// Unlock. It carries no values and no deadline.
func (l *Lease) Context() context.Context { return l.ctx }

// Until is the time past which the holder must not act without a renewal: a margin before others may take
// the key. By this node's wall clock; what counts is its monotonic clock, see [Lease.Check].
func (l *Lease) Until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed.Wall.Add(l.good())
}

// good is how long a renewal is good for the holder.
func (l *Lease) good() time.Duration {
	if l.opts.noRenew {
		return l.ttl // it is released then, so the observers' margin is enough
	}
	return l.ttl - replica.LeaseMargin(l.ttl)
}

// left is how long the lease is good from now on, by the monotonic clock.
func (l *Lease) left(now time.Duration) time.Duration { return l.renewed.Mono + l.good() - now }

// Check returns nil when the lease is held and has at least minRemaining before Until, else an error of
// class [ErrLeaseLost]. It does no I/O; call it before a side effect, with the time that the side effect
// may take.
func (l *Lease) Check(minRemaining time.Duration) error {
	now := time.Since(l.r.node.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return l.r.wrap("check", l.key, err)
	}
	if left := l.left(now); left < max(minRemaining, 1) {
		return l.r.wrap("check", l.key, detailf(ErrLeaseLost, "the lease is good for another %s, less than the %s asked for; Extend it first", max(left, 0), minRemaining))
	}
	return nil
}

// check returns why the lease is over. It is locked.
func (l *Lease) check() error {
	switch {
	case l.err != nil:
		return l.err
	case l.over:
		return detailf(ErrLeaseLost, "the lease was unlocked")
	}
	return nil
}

// fence returns the token for a write to a key of a registry. The registry is locked.
func (l *Lease) fence(r *Registry, key string) (Token, error) {
	if r != l.r || key != l.key {
		return Token{}, detailf(ErrInvalid, "the lease is on %s/%s, not on this key", l.r.name, showKey(l.key))
	}
	now := time.Since(l.r.node.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return Token{}, err
	}
	if l.left(now) <= 0 {
		return Token{}, detailf(ErrLeaseLost, "the lease was not renewed in time")
	}
	return l.token, nil
}

// Put stores the value of the locked key under the lease: [Registry.Put] with [Under].
func (l *Lease) Put(ctx context.Context, value []byte, opts ...PutOption) (Revision, error) {
	return l.r.Put(ctx, l.key, value, append(opts[:len(opts):len(opts)], Under(l))...)
}

// Extend renews the lease now, with another TTL from here on; 0 keeps it. Bounds are those of [TTL].
// [ErrLeaseLost] when it is not held any more.
func (l *Lease) Extend(ctx context.Context, ttl time.Duration) error {
	err := checkContext(ctx)
	if err == nil && ttl != 0 {
		err = TTL(ttl).applyLock(new(lockOptions))
	}
	if err == nil {
		err = l.renew(ttl)
		rouse(l.moved)
	}
	return l.r.wrap("extend", l.key, err)
}

// Unlock releases the lease. Idempotent; nil also when it was lost before, for then there is nothing to
// release.
func (l *Lease) Unlock(ctx context.Context) error {
	if ctx == nil {
		return l.r.wrap("unlock", l.key, errNilContext)
	}
	return l.r.wrap("unlock", l.key, l.giveUp(nil))
}

// giveUp ends the lease and releases it; why is nil for an Unlock.
func (l *Lease) giveUp(why *LeaseLostError) error {
	r := l.r
	at := r.node.instant()
	r.mu.Lock()
	token, ended := l.end(why)
	if !ended || r.err != nil {
		r.mu.Unlock()
		return nil
	}
	err := r.writable()
	if err == nil {
		err = r.rep.Release(at, l.key, lwwmap.Token(token))
	}
	r.mu.Unlock()
	return r.settle(err)
}

// end marks the lease as over, once. The registry is locked.
func (l *Lease) end(why *LeaseLostError) (token Token, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return l.token, false
	}
	l.over = true
	if l.r.locks.held[l.key] == l {
		delete(l.r.locks.held, l.key)
	}
	if why == nil {
		l.cancel(nil)
		return l.token, true
	}
	l.err = why
	l.r.counts.leasesLost++
	l.cancel(why)
	return l.token, true
}

// claim takes the lease on a free key.
func (r *Registry) claim(key string, o lockOptions) (*Lease, error) {
	at := r.node.instant()
	r.mu.Lock()
	l, err := r.claimStep(at, key, o)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := r.settle(nil); err != nil {
		_ = l.giveUp(nil) // the first error counts
		return nil, err
	}
	return l, nil
}

// claimStep is claim where the registry is locked.
func (r *Registry) claimStep(at replica.Instant, key string, o lockOptions) (*Lease, error) {
	if err := r.writable(); err != nil {
		return nil, err
	}
	l := &Lease{r: r, key: key, nonce: systemRandom{}.Uint64(), opts: o, ttl: o.ttl, renewed: at, heard: at.Mono, soon: make(chan struct{}, 1), moved: make(chan struct{}, 1)}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	token, err := r.rep.Claim(at, key, l.nonce, o.ttl, o.meta)
	if err != nil {
		l.cancel(nil)
		return nil, err
	}
	l.token = Token(token)
	r.locks.held[key] = l
	r.counts.leasesHeld++
	r.wg.Go(l.keep)
	return l, nil
}
