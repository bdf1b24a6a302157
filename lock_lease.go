package minikv

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// LockInfo describes a lease as this node knows it.
type LockInfo struct {
	Key      string
	Owner    PeerID
	Token    Token
	TTL      time.Duration
	Since    time.Time // of the claim, by the owner's clock
	Until    time.Time // when this node takes it for lapsed unless it is renewed: a margin after its TTL; zero if it is over
	Renewals uint64
	Meta     []byte // what the holder said with [Meta]; the caller's
}

// Lock waits until it holds a lease on key or ctx ends; then the error is a [*LockedError] and the
// context's error in one. It waits for news of the lease and for its lapse, without polling; waiters on one
// node are served in the order of their coming. It works offline. A second Lock on the same node waits like
// any other: the lease belongs to the returned handle. The key need not be present.
func (r *Registry) Lock(ctx context.Context, key string, opts ...LockOption) (*Lease, error) {
	l, err := r.lock(ctx, key, opts)
	if err != nil {
		return nil, r.wrap("lock", key, err)
	}
	return l, nil
}

func (r *Registry) lock(ctx context.Context, key string, opts []LockOption) (*Lease, error) {
	o, err := r.checkLock(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	w, err := r.queueFor(key)
	if err != nil {
		return nil, err
	}
	defer r.leaveQueue(w)
	return w.wait(ctx, o)
}

// TryLock is [Registry.Lock] without waiting: a [*LockedError] with owner and remaining time when the key
// is held.
func (r *Registry) TryLock(ctx context.Context, key string, opts ...LockOption) (*Lease, error) {
	o, err := r.checkLock(ctx, key, opts)
	if err == nil {
		var l *Lease
		if l, err = r.claim(key, o); err == nil {
			return l, nil
		}
	}
	return nil, r.wrap("lock", key, err)
}

func (r *Registry) checkLock(ctx context.Context, key string, opts []LockOption) (lockOptions, error) {
	o, err := newLockOptions(opts)
	if err == nil {
		err = r.checkWrite(ctx, key)
	}
	return o, err
}

// WithLock waits for the lease, runs fn and unlocks, also when fn panics. fn's context ends with ctx, and
// with a [*LeaseLostError] as its cause when the lease is lost. It returns fn's error, joined by the
// LeaseLostError where the lease was lost meanwhile.
func (r *Registry) WithLock(ctx context.Context, key string, fn func(context.Context, *Lease) error, opts ...LockOption) (err error) {
	l, err := r.Lock(ctx, key, opts...)
	if err != nil {
		return err
	}
	defer func() {
		lost := l.Err()
		err = errors.Join(err, lost, l.Unlock(context.WithoutCancel(ctx)))
	}()
	held, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(l.Context(), func() { cancel(context.Cause(l.Context())) })
	defer stop()
	return fn(held, l)
}

// Unlock releases a live lease by its token, or one that it had earlier, whoever holds the handle, on any
// node that has heard of it. [ErrLeaseLost] when the token is not of the live lease on key.
func (r *Registry) Unlock(ctx context.Context, key string, t Token) error {
	err := r.checkWrite(ctx, key)
	if err == nil {
		err = r.release(key, t)
	}
	return r.wrap("unlock", key, err)
}

func (r *Registry) release(key string, t Token) error {
	at := r.node.instant()
	r.mu.Lock()
	err := r.checkToken(at, key, t)
	if err == nil {
		err = r.writable()
	}
	if err == nil {
		err = r.rep.Release(at, key, lwwmap.Token(t))
	}
	r.mu.Unlock()
	return r.settle(err)
}

// Renew makes a lease that was taken on this node last for another ttl from now, by its token or one that it
// had earlier, whoever holds the handle; bounds are those of [TTL]. It returns the token to use from now on.
// [ErrLeaseLost] when the lease is over, or was taken on another node: renew it there.
func (r *Registry) Renew(ctx context.Context, key string, t Token, ttl time.Duration) (Token, error) {
	err := r.checkWrite(ctx, key)
	if err == nil {
		err = TTL(ttl).applyLock(new(lockOptions))
	}
	if err == nil {
		t, err = r.renew(key, t, ttl)
	}
	return t, r.wrap("renew", key, err)
}

func (r *Registry) renew(key string, t Token, ttl time.Duration) (Token, error) {
	r.mu.RLock()
	err := r.checkToken(r.node.instant(), key, t)
	l := r.locks.held[key]
	r.mu.RUnlock()
	switch {
	case err != nil:
		return t, err
	case l == nil || l.Token().claim() != t.claim():
		return t, detailf(ErrLeaseLost, "the lease was not taken on this node since it started; renew it where it was")
	}
	if err := l.renew(ttl); err != nil {
		return t, err
	}
	rouse(l.moved)
	return l.Token(), nil
}

// LockInfo returns the live lease on key; ok is false when there is none.
func (r *Registry) LockInfo(ctx context.Context, key string) (info LockInfo, ok bool, err error) {
	if err := r.checkRead(ctx, key); err != nil {
		return LockInfo{}, false, r.wrap("lock info", key, err)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.err != nil {
		return LockInfo{}, false, r.wrap("lock info", key, r.err)
	}
	if p := r.lockOn(key); p != nil {
		return *p, true, nil
	}
	return LockInfo{}, false, nil
}

// Locks walks the live leases on keys that begin with prefix, by ascending key.
func (r *Registry) Locks(ctx context.Context, prefix string) iter.Seq2[LockInfo, error] {
	return func(yield func(LockInfo, error) bool) {
		live, err := r.liveLocks(ctx, prefix)
		if err != nil {
			yield(LockInfo{}, r.wrap("locks", prefix, err))
			return
		}
		for _, info := range live {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (r *Registry) liveLocks(ctx context.Context, prefix string) (live []LockInfo, err error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return nil, r.err
	}
	r.m.Ascend(lwwmap.Lease, prefix, "", func(rec lwwmap.Record) bool {
		if !strings.HasPrefix(rec.Key(), prefix) {
			return false
		}
		if info := r.lockOn(rec.Key()); info != nil {
			live = append(live, *info)
		}
		return true
	})
	return live, r.m.Err()
}

// lockOn returns the live lease on a key, nil if there is none. The registry is locked, for reading at least.
func (r *Registry) lockOn(key string) *LockInfo {
	if r.m.Len(lwwmap.Lease) == 0 || r.m.Get(lwwmap.Lease, key).IsZero() {
		return nil
	}
	at := r.node.instant()
	lease, left, live := r.rep.LeaseOn(at, key)
	if !live {
		return nil
	}
	info := lockInfo(strings.Clone(key), lease)
	info.Until = at.Wall.Add(left)
	return &info
}

// lockInfo gives a lease record the form that users know, as one that is over.
func lockInfo(key string, l replica.LeaseInfo) LockInfo {
	return LockInfo{
		Key: key, Owner: PeerID(l.Owner), Token: Token(l.Token), TTL: l.TTL,
		Since: l.Token.Claim().Time(), Renewals: l.Renewals, Meta: append([]byte(nil), l.Meta...),
	}
}

// checkToken refuses a token that is not one of the live lease on the key: the present one or, as tokens
// grow with a lease, an older one. The registry is locked.
func (r *Registry) checkToken(at replica.Instant, key string, t Token) error {
	if r.err != nil {
		return r.err
	}
	info, _, live := r.rep.LeaseOn(at, key)
	switch {
	case live && replica.SameClaim(info.Token, lwwmap.Token(t)) && info.Token.Compare(lwwmap.Token(t)) >= 0:
		return nil
	case live && replica.SameClaim(info.Token, lwwmap.Token(t)):
		return detailf(ErrLeaseLost, "token %s is a later one than this node has heard of, %s; try again when it has", t, Token(info.Token))
	case live:
		return detailf(ErrLeaseLost, "token %s is not that of the lease on the key; %s holds it under %s", t, info.Owner, Token(info.Token))
	}
	return detailf(ErrLeaseLost, "no live lease on the key is known here, so token %s holds nothing", t)
}

// fence returns the token that a write is to carry, after a check that it is good for the key; zero without
// a lease. The registry is locked.
func (r *Registry) fence(at replica.Instant, key string, o *writeOptions) (lwwmap.Token, error) {
	switch {
	case o.lease != nil:
		t, err := o.lease.fence(r, key)
		return lwwmap.Token(t), err
	case !o.token.IsZero():
		return lwwmap.Token(o.token), r.checkToken(at, key, o.token)
	}
	return lwwmap.Token{}, nil
}
