package minikv

import (
	"context"
	"iter"
	"strings"

	"github.com/minikv/minikv/lwwmap"
)

// All walks all entries by ascending key as they were at one moment, the start of the walk; Lock is as of
// when the entry is reached. Writers do not wait for it, and the body may write. An error, once, ends the
// walk: [ErrClosed] or the context's.
func (r *Registry) All(ctx context.Context) iter.Seq2[Entry, error] {
	return r.entries(ctx, "all", bounds{})
}

// Prefix is All for the keys that begin with prefix.
func (r *Registry) Prefix(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return r.entries(ctx, "prefix", bounds{from: prefix, prefix: prefix})
}

// Range is All for the keys from <= key < to. An empty to is no bound.
func (r *Registry) Range(ctx context.Context, from, to string) iter.Seq2[Entry, error] {
	return r.entries(ctx, "range", bounds{from: from, to: to})
}

// Keys is Prefix for keys alone; it does not touch values.
func (r *Registry) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := r.walk(ctx, bounds{from: prefix, prefix: prefix}, func(rec lwwmap.Record) bool {
			return yield(strings.Clone(rec.Key()), nil)
		})
		if err != nil {
			yield("", r.wrap("keys", prefix, err))
		}
	}
}

func (r *Registry) entries(ctx context.Context, op string, b bounds) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := r.walk(ctx, b, func(rec lwwmap.Record) bool { return yield(r.decorate(rec), nil) })
		if err != nil {
			yield(Entry{}, r.wrap(op, b.from, err))
		}
	}
}

// bounds is where a walk goes.
type bounds struct{ from, to, prefix string }

// shortWalk is how many records a walk looks at under the lock, in the hope of having seen all; a longer
// one takes a snapshot, which makes later writes copy the tree nodes that they touch.
const shortWalk = 512

// walk calls fn for each present record, without a lock, until it returns false. An error is returned only
// while fn would go on.
func (r *Registry) walk(ctx context.Context, b bounds, fn func(lwwmap.Record) bool) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	records, whole, err := r.gather(b)
	if err != nil {
		return err
	}
	if !whole {
		return r.walkSnapshot(ctx, b, fn)
	}
	for _, rec := range records {
		if err := r.mayGoOn(ctx); err != nil {
			return err
		}
		if !fn(rec) {
			return nil
		}
	}
	return nil
}

// gather returns the present records within bounds; whole is false, and the records of no use, where they
// are many.
func (r *Registry) gather(b bounds) (records []lwwmap.Record, whole bool, err error) {
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return nil, false, r.err
	}
	now, looked := r.now(), 0
	r.m.Ascend(lwwmap.Data, b.from, b.to, func(rec lwwmap.Record) bool {
		if !strings.HasPrefix(rec.Key(), b.prefix) {
			return false
		}
		if !rec.Dead(now) {
			records = append(records, rec)
		}
		looked++
		return looked < shortWalk
	})
	return records, looked < shortWalk, r.m.Err()
}

func (r *Registry) walkSnapshot(ctx context.Context, b bounds, fn func(lwwmap.Record) bool) (err error) {
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return r.err
	}
	scan, now := r.m.Scan(lwwmap.Data), r.now()
	r.mu.Unlock()
	defer scan.Close()
	scan.Ascend(b.from, b.to, func(rec lwwmap.Record) bool {
		if !strings.HasPrefix(rec.Key(), b.prefix) {
			return false
		}
		if rec.Dead(now) {
			return true
		}
		if err = r.mayGoOn(ctx); err != nil {
			return false
		}
		return fn(rec)
	})
	if err == nil {
		err = scan.Err()
	}
	return err
}

// mayGoOn returns why a walk has to end.
func (r *Registry) mayGoOn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.err
}
