package minikv

import (
	"context"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// Put stores value under key, over whatever is there, and returns the write's revision. The value is
// copied; nil is stored as empty. An earlier expiry is gone unless [KeepTTL]: without it, [TTL] or
// [Persist] the registry's [DefaultTTL] applies. [ErrTooLarge] when the value is over Config.MaxValueLen, [ErrFull] when
// there is no room for it, see Config.MaxBytes.
func (r *Registry) Put(ctx context.Context, key string, value []byte, opts ...PutOption) (Revision, error) {
	if len(opts) > 0 {
		return r.putWith(ctx, key, value, opts)
	}
	if err := r.checkPut(ctx, key, value); err != nil {
		return Revision{}, r.wrap("put", key, err)
	}
	at := r.node.instant()
	r.mu.Lock()
	w := replica.Write{Key: key, Value: value}
	if r.opts.defaultTTL != 0 {
		w.Expires = r.expiry(at, r.opts.defaultTTL)
	}
	rev, err := r.write(at, w)
	r.mu.Unlock()
	if err = r.settle(err); err != nil {
		return Revision{}, r.wrap("put", key, err)
	}
	r.timeWrite(at)
	return rev, nil
}

// putWith is apart from Put so that the options of a put without any need no memory.
func (r *Registry) putWith(ctx context.Context, key string, value []byte, opts []PutOption) (Revision, error) {
	o, err := newPutOptions(opts)
	if err == nil {
		err = r.checkPut(ctx, key, value)
	}
	if err != nil {
		return Revision{}, r.wrap("put", key, err)
	}
	if o.locked != nil {
		return r.putLocked(ctx, key, value, o)
	}
	at := r.node.instant()
	r.mu.Lock()
	rev, err := r.putStep(at, key, value, &o)
	r.mu.Unlock()
	if err = r.settleUnless(o.noWait, err); err != nil {
		return Revision{}, r.wrap("put", key, err)
	}
	r.timeWrite(at)
	return rev, nil
}

// putStep puts under options. The registry is locked.
func (r *Registry) putStep(at replica.Instant, key string, value []byte, o *putOptions) (Revision, error) {
	if r.err != nil {
		return Revision{}, r.err
	}
	fence, err := r.fence(at, key, &o.writeOptions)
	if err != nil {
		return Revision{}, err
	}
	return r.write(at, replica.Write{Key: key, Value: value, Fence: fence, Expires: r.putExpiry(at, key, o)})
}

// putLocked takes the lease on the key and puts under it, in one step.
func (r *Registry) putLocked(ctx context.Context, key string, value []byte, o putOptions) (Revision, error) {
	lo, err := newLockOptions(o.locked.opts)
	if err != nil {
		return Revision{}, r.wrap("put", key, err)
	}
	at := r.node.instant()
	r.mu.Lock()
	var l *Lease
	var rev Revision
	w := replica.Write{Key: key, Value: value, Fence: lwwmap.Token{1}, Expires: r.putExpiry(at, key, &o)} // any fence weighs the same
	if err = r.rep.CheckRoom(r.rep.Growth(&w)); err == nil {                                              // else a lease would be left behind
		l, err = r.claimStep(at, key, lo)
	}
	if err == nil {
		o.lease = l
		rev, err = r.putStep(at, key, value, &o)
	}
	r.mu.Unlock()
	if err = r.settle(err); err != nil {
		if l != nil {
			_ = l.giveUp(nil) // the put's error is the one that counts
		}
		return Revision{}, r.wrap("put", key, err)
	}
	r.timeWrite(at)
	*o.locked.into = l
	return rev, nil
}

// Delete removes the key. When it is absent it does nothing and returns nil.
func (r *Registry) Delete(ctx context.Context, key string, opts ...WriteOption) error {
	return r.rewrite(ctx, "delete", key, opts, func(at replica.Instant, rec lwwmap.Record, w *replica.Write) bool {
		w.Delete = true
		return !rec.IsZero()
	})
}

// Expire makes a present key expire after ttl from now: it writes the same value again. [ErrNotFound] when
// absent. ttl has to be more than zero, see [TTL]; use Delete to remove the key now.
func (r *Registry) Expire(ctx context.Context, key string, ttl time.Duration, opts ...WriteOption) error {
	if err := checkTTL(ttl); err != nil {
		return r.wrap("expire", key, err)
	}
	return r.rewrite(ctx, "expire", key, opts, func(at replica.Instant, rec lwwmap.Record, w *replica.Write) bool {
		w.Expires = r.expiry(at, ttl)
		return true
	})
}

// ExpireAt is Expire at a time of the wall clock, see [ExpiresAt].
func (r *Registry) ExpireAt(ctx context.Context, key string, at time.Time, opts ...WriteOption) error {
	expires, err := expiryStamp(at)
	if err != nil {
		return r.wrap("expire", key, err)
	}
	return r.rewrite(ctx, "expire", key, opts, func(_ replica.Instant, _ lwwmap.Record, w *replica.Write) bool {
		w.Expires = expires
		return true
	})
}

// Persist drops the expiry of a present key: it writes the same value again. [ErrNotFound] when absent;
// nil, and nothing written, when it has no expiry.
func (r *Registry) Persist(ctx context.Context, key string, opts ...WriteOption) error {
	return r.rewrite(ctx, "persist", key, opts, func(_ replica.Instant, rec lwwmap.Record, w *replica.Write) bool {
		return !rec.IsZero() && !rec.Expires().IsZero()
	})
}

// rewrite writes a key again after change has set what is different; change is given the zero record for an
// absent key and says whether there is anything to write. Only a delete takes an absent key for done.
func (r *Registry) rewrite(ctx context.Context, op, key string, opts []WriteOption,
	change func(at replica.Instant, rec lwwmap.Record, w *replica.Write) bool) error {
	o, err := newWriteOptions(opts)
	if err == nil {
		err = r.checkWrite(ctx, key)
	}
	if err != nil {
		return r.wrap(op, key, err)
	}
	at := r.node.instant()
	r.mu.Lock()
	err = r.rewriteStep(at, key, o, change)
	r.mu.Unlock()
	if err = r.settleUnless(o.noWait, err); err != nil {
		return r.wrap(op, key, err)
	}
	r.timeWrite(at)
	return nil
}

func (r *Registry) rewriteStep(at replica.Instant, key string, o writeOptions,
	change func(at replica.Instant, rec lwwmap.Record, w *replica.Write) bool) error {
	rec, err := r.present(key)
	if err != nil && err != ErrNotFound {
		return err
	}
	w := replica.Write{Key: key}
	if w.Fence, err = r.fence(at, key, &o); err != nil {
		return err
	}
	needed := change(at, rec, &w)
	if err := r.rep.CheckWrite(at, w); err != nil { // a locked key is refused also where there is nothing to do
		return err
	}
	if rec.IsZero() && !w.Delete {
		return ErrNotFound
	}
	if !needed {
		return nil
	}
	if !w.Delete {
		w.Value = rec.Value()
	}
	_, err = r.write(at, w)
	return err
}

// write makes one write and counts it. The registry is locked.
func (r *Registry) write(at replica.Instant, w replica.Write) (Revision, error) {
	if err := r.writable(); err != nil {
		return Revision{}, err
	}
	now, _, err := r.rep.Write(at, w)
	if err != nil {
		return Revision{}, err
	}
	if w.Delete {
		r.counts.deletes++
	} else {
		r.counts.puts++
	}
	r.link.hush()
	return Revision{now.Stamp()}, nil
}

// timeWrite notes how long a write took that began at that time: each that waited for the disk, and of those
// that took a microsecond or so in memory one in sixteen, chosen by the clock, so that it costs them nothing.
func (r *Registry) timeWrite(at replica.Instant) {
	if r.node.store() == nil && at.Mono>>5&15 != 0 {
		return
	}
	r.writeTime.note(time.Since(r.node.start) - at.Mono)
}

// checkWrite checks what needs no lock.
func (r *Registry) checkWrite(ctx context.Context, key string) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	if err := r.mayWrite(); err != nil {
		return err
	}
	return r.checkKey(key)
}

func (r *Registry) checkPut(ctx context.Context, key string, value []byte) error {
	if err := r.checkWrite(ctx, key); err != nil {
		return err
	}
	return r.checkValue(value)
}

func (r *Registry) checkValue(value []byte) error {
	if max := r.node.cfg.MaxValueLen; len(value) > max {
		return detailf(ErrTooLarge, "the value has %d bytes; Config.MaxValueLen allows %d", len(value), max)
	}
	return nil
}
