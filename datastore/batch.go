package datastore

import (
	"context"

	ds "github.com/ipfs/go-datastore"

	"github.com/minikv/minikv"
)

// batch gathers writes in one minikv batch, or in several where one is full: go-datastore knows no limit.
type batch struct {
	d     *Datastore
	parts []*minikv.Batch // in order; the last one takes more
	bytes int             // keys and values in the last one
}

// Batch returns an empty batch of its own: nothing of it is seen before Commit, and nothing at all when it
// is abandoned. Up to 100,000 writes and 64 MiB are applied in one step on this node, survive a crash as a
// whole or not at all, and travel together; a larger batch is committed in several such steps, one after the other. It is no
// transaction. Of several writes to a key the last one counts. Not safe for concurrent use.
func (d *Datastore) Batch(ctx context.Context) (ds.Batch, error) {
	if d.closed.Load() {
		return nil, minikv.ErrClosed
	}
	return &batch{d: d}, ctx.Err()
}

// Put adds a put; value is copied. Mistakes, such as a key that is too long, are told by Commit.
func (b *batch) Put(ctx context.Context, key ds.Key, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.room(len(key.String())+len(value)).Put(key.String(), value)
	return nil
}

// Delete adds a delete.
func (b *batch) Delete(ctx context.Context, key ds.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.room(len(key.String())).Delete(key.String())
	return nil
}

// room returns the part that a write of n bytes goes to.
func (b *batch) room(n int) *minikv.Batch {
	last := len(b.parts) - 1
	if last < 0 || b.parts[last].Len() == minikv.MaxBatchLen || b.bytes+n > minikv.MaxBatchBytes {
		b.parts, b.bytes = append(b.parts, b.d.reg.NewBatch()), 0
		last++
	}
	b.bytes += n
	return b.parts[last]
}

// Commit applies the writes. After an error nothing of a batch within the limits of one step is applied; of
// a larger one the steps before that which failed are. It may be called again then, and goes on there.
func (b *batch) Commit(ctx context.Context) error {
	if b.d.closed.Load() {
		return minikv.ErrClosed
	}
	for len(b.parts) > 0 {
		if _, err := b.parts[0].Commit(ctx); err != nil {
			return err
		}
		b.parts = b.parts[1:]
	}
	b.bytes = 0
	return nil
}
