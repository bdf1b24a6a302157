package datastore

import (
	"context"
	"time"

	ds "github.com/ipfs/go-datastore"

	"github.com/minikv/minikv"
)

// PutWithTTL is Put for a value that expires after ttl: from then on no node shows it, each by its own
// clock, and its space comes back without being read. ttl has to be more than zero, and is rounded up to
// whole milliseconds.
func (d *Datastore) PutWithTTL(ctx context.Context, key ds.Key, value []byte, ttl time.Duration) error {
	return d.put(ctx, key, value, minikv.TTL(ttl))
}

// SetTTL makes a key that is there expire after ttl from now, which has to be more than zero.
// datastore.ErrNotFound when it is absent. It writes the same value again, so it competes with a put
// on another node like any write.
func (d *Datastore) SetTTL(ctx context.Context, key ds.Key, ttl time.Duration) error {
	if d.closed.Load() {
		return minikv.ErrClosed
	}
	return found(d.reg.Expire(ctx, key.String(), ttl))
}

// GetExpiration returns when key expires, the zero time if never. datastore.ErrNotFound when it is absent.
func (d *Datastore) GetExpiration(ctx context.Context, key ds.Key) (time.Time, error) {
	e, err := d.entry(ctx, key)
	return e.Expires, err
}
