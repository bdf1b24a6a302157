package datastore

import (
	"context"
	"errors"
	"sync/atomic"

	ds "github.com/ipfs/go-datastore"

	"github.com/minikv/minikv"
)

// Datastore is a registry seen as a go-datastore. Use [New]. Safe for concurrent use.
type Datastore struct {
	reg    *minikv.Registry
	closed atomic.Bool
}

var (
	_ ds.Batching            = (*Datastore)(nil)
	_ ds.TTLDatastore        = (*Datastore)(nil)
	_ ds.PersistentDatastore = (*Datastore)(nil)
	_ ds.GCDatastore         = (*Datastore)(nil)
)

// New views reg as a datastore. Several views of one registry may exist, and the registry may be used
// beside them: for watches and leases, which go-datastore does not know.
func New(reg *minikv.Registry) *Datastore { return &Datastore{reg: reg} }

// Registry is the registry behind it.
func (d *Datastore) Registry() *minikv.Registry { return d.reg }

// Get returns the value of key, which is the caller's. datastore.ErrNotFound when it is absent, deleted or
// expired.
func (d *Datastore) Get(ctx context.Context, key ds.Key) ([]byte, error) {
	e, err := d.entry(ctx, key)
	return e.Value, err
}

// Has reports whether key is there. It does not read the value.
func (d *Datastore) Has(ctx context.Context, key ds.Key) (bool, error) {
	if d.closed.Load() {
		return false, minikv.ErrClosed
	}
	return d.reg.Has(ctx, key.String())
}

// GetSize returns the length of the value of key in bytes; -1 with an error.
func (d *Datastore) GetSize(ctx context.Context, key ds.Key) (int, error) {
	e, err := d.entry(ctx, key)
	if err != nil {
		return -1, err
	}
	return len(e.Value), nil
}

func (d *Datastore) entry(ctx context.Context, key ds.Key) (minikv.Entry, error) {
	if d.closed.Load() {
		return minikv.Entry{}, minikv.ErrClosed
	}
	e, err := d.reg.Get(ctx, key.String())
	return e, found(err)
}

// found turns a registry's word for absence into go-datastore's, whose users compare with ==.
func found(err error) error {
	if errors.Is(err, minikv.ErrNotFound) {
		return ds.ErrNotFound
	}
	return err
}

// Put stores a copy of value under key. An expiry that the key had is gone; the registry's default TTL
// applies. A nil error means that this node has it, as durably as minikv.Config.Durability says, and offers
// it to its peers.
func (d *Datastore) Put(ctx context.Context, key ds.Key, value []byte) error {
	return d.put(ctx, key, value)
}

func (d *Datastore) put(ctx context.Context, key ds.Key, value []byte, opts ...minikv.PutOption) error {
	if d.closed.Load() {
		return minikv.ErrClosed
	}
	_, err := d.reg.Put(ctx, key.String(), value, opts...)
	return err
}

// Delete removes key, if it is there. It removes that key alone, not those below it.
func (d *Datastore) Delete(ctx context.Context, key ds.Key) error {
	if d.closed.Load() {
		return minikv.ErrClosed
	}
	return d.reg.Delete(ctx, key.String())
}

// Sync makes all writes of the node durable, those below prefix and others. With minikv.DurabilitySync, the
// default, they are so already. It says nothing about peers: that is minikv.Registry.SyncPeer.
func (d *Datastore) Sync(ctx context.Context, prefix ds.Key) error {
	if d.closed.Load() {
		return minikv.ErrClosed
	}
	return d.reg.Node().Flush(ctx)
}

// DiskUsage is what the directory of the node takes up in bytes, with all its registries, indexes and logs;
// 0 for a node in memory.
func (d *Datastore) DiskUsage(ctx context.Context) (uint64, error) {
	if d.closed.Load() {
		return 0, minikv.ErrClosed
	}
	return uint64(max(0, d.reg.Node().Metrics().DiskBytes)), ctx.Err()
}

// CollectGarbage gives the disk back what deletes, expiry and overwriting have freed. The node does so by
// and by; this does it now, for all its registries. On a node in memory there is nothing to do.
func (d *Datastore) CollectGarbage(ctx context.Context) error {
	if d.closed.Load() {
		return minikv.ErrClosed
	}
	if d.reg.Node().Metrics().DiskBytes == 0 {
		return ctx.Err()
	}
	return d.reg.Node().Compact(ctx)
}

// Close makes what was written durable, and ends this view: all its methods return minikv.ErrClosed from
// then on, while a query that is under way goes on. Registry and node stay open; they belong to whoever opened them. Calling
// it again does nothing.
func (d *Datastore) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	err := d.reg.Node().Flush(context.Background())
	if errors.Is(err, minikv.ErrClosed) { // a node that is closed has done so
		return nil
	}
	return err
}
