package minikv

import (
	"context"
	"strings"
	"time"

	"github.com/minikv/minikv/lwwmap"
)

// Peek is [Registry.Get] without copies, for servers that pass the value on: the value is shared with the
// registry and must not be modified. It stays as it is for as long as it is held, whatever is written
// meanwhile. expires is zero for a key that never does. ok is false, and err nil, when the key is absent.
func (r *Registry) Peek(ctx context.Context, key string) (value []byte, expires time.Time, ok bool, err error) {
	var rec lwwmap.Record
	if err = r.checkRead(ctx, key); err == nil {
		r.mu.RLock()
		rec, err = r.present(key)
		r.mu.RUnlock()
	}
	switch {
	case err == ErrNotFound:
		return nil, time.Time{}, false, nil
	case err != nil:
		return nil, time.Time{}, false, r.wrap("get", key, err)
	}
	if at := rec.Expires(); at != 0 {
		expires = expiryTime(at)
	}
	return rec.Value(), expires, true, nil
}

// KeysFrom returns a page of the present keys from a key on, in ascending order, and the key to go on from: empty
// at the end. It looks at n records, so that a page may have fewer keys, even none, where there are
// tombstones. A key that is present all the while is in exactly one page of a walk, whatever is written
// meanwhile.
func (r *Registry) KeysFrom(ctx context.Context, from string, n int) (keys []string, next string, err error) {
	if err := checkContext(ctx); err != nil {
		return nil, "", r.wrap("keys", from, err)
	}
	if n < 1 {
		return nil, "", r.wrap("keys", from, detailf(ErrInvalid, "a page of %d keys; it can have 1 or more", n))
	}
	keys, next, err = r.keysFrom(from, n)
	return keys, next, r.wrap("keys", from, err)
}

func (r *Registry) keysFrom(from string, n int) (keys []string, next string, err error) {
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return nil, "", r.err
	}
	now := r.now()
	r.m.Ascend(lwwmap.Data, from, "", func(rec lwwmap.Record) bool {
		if n == 0 {
			next = strings.Clone(rec.Key())
			return false
		}
		n--
		if !rec.Dead(now) {
			keys = append(keys, strings.Clone(rec.Key()))
		}
		return true
	})
	return keys, next, r.m.Err()
}
