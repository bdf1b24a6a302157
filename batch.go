package minikv

import (
	"context"
	"runtime"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// Limits of a [Batch].
const (
	MaxBatchLen   = 100_000  // writes
	MaxBatchBytes = 64 << 20 // keys and values
)

// Batch gathers writes and applies them in one step on this node: readers and watches here see all or none,
// and they travel together. It is not a transaction: nothing is read, and on meeting other nodes' writes
// each key is judged by itself. Others wait for a commit, about a microsecond for each of its writes. Use
// [Registry.NewBatch]. Not safe for concurrent use.
type Batch struct {
	r      *Registry
	writes []batchWrite
	values []byte // of all writes, one behind the other
	bytes  int    // of keys and values
	noWait bool
	err    error // the first mistake
}

type batchWrite struct {
	key      string
	from, to int // of its value
	delete   bool
	opts     *putOptions // nil: none
	fence    lwwmap.Token
}

// NewBatch returns an empty batch.
func (r *Registry) NewBatch(opts ...BatchOption) *Batch {
	b := &Batch{r: r}
	for _, opt := range opts {
		opt.applyBatch(b)
	}
	return b
}

// Put adds a put. The value is copied. Mistakes are returned by Commit. Of several writes to a key the last
// one counts. A TTL runs from Commit.
func (b *Batch) Put(key string, value []byte, opts ...PutOption) {
	w := batchWrite{key: key}
	if len(opts) > 0 {
		o, err := newPutOptions(opts)
		if err == nil && o.locked != nil {
			err = detailf(ErrInvalid, "Locked does not work in a batch; lock the key before, and pass Under")
		}
		b.note("put", key, err)
		w.opts = &o
	}
	b.note("put", key, b.r.checkValue(value))
	b.add("put", w, value)
}

// Delete adds a delete.
func (b *Batch) Delete(key string, opts ...WriteOption) {
	w := batchWrite{key: key, delete: true}
	if len(opts) > 0 {
		o, err := newWriteOptions(opts)
		b.note("delete", key, err)
		w.opts = &putOptions{writeOptions: o}
	}
	b.add("delete", w, nil)
}

func (b *Batch) add(op string, w batchWrite, value []byte) {
	b.note(op, w.key, b.r.checkKey(w.key))
	b.bytes += len(w.key) + len(value)
	switch {
	case b.err != nil:
		return
	case len(b.writes) == MaxBatchLen:
		b.note("batch", "", detailf(ErrTooLarge, "the batch has more than %d writes; commit it in parts", MaxBatchLen))
		return
	case b.bytes > MaxBatchBytes:
		b.note("batch", "", detailf(ErrTooLarge, "the batch has more than %d bytes of keys and values; commit it in parts", MaxBatchBytes))
		return
	}
	w.from = len(b.values)
	b.values = append(b.values, value...)
	w.to = len(b.values)
	b.writes = append(b.writes, w)
}

// note keeps the first mistake.
func (b *Batch) note(op, key string, err error) {
	if b.err == nil {
		b.err = b.r.wrap(op, key, err)
	}
}

// Len is the number of writes added.
func (b *Batch) Len() int { return len(b.writes) }

// Reset empties the batch, mistakes included.
func (b *Batch) Reset() {
	clear(b.writes)
	b.writes, b.values, b.bytes, b.err = b.writes[:0], b.values[:0], 0, nil
}

// Commit applies the batch, empties it, and returns the revision of its last write; the zero revision where
// nothing was to be written. On an error nothing is applied and the batch stays as it was: the first
// mistake of a Put or Delete, [ErrTooLarge] over 100,000 writes or 64 MiB, [ErrLocked] when any key is held
// by someone else, [ErrFull] when there is no room for all.
func (b *Batch) Commit(ctx context.Context) (Revision, error) {
	if b.err != nil {
		return Revision{}, b.err
	}
	if err := checkContext(ctx); err != nil {
		return Revision{}, b.r.wrap("batch", "", err)
	}
	if err := b.r.mayWrite(); err != nil {
		return Revision{}, b.r.wrap("batch", "", err)
	}
	at := b.r.node.instant()
	rev, key, err := b.apply(at)
	if err = b.r.settleUnless(b.noWait, err); err != nil {
		return Revision{}, b.r.wrap("batch", key, err)
	}
	b.r.timeWrite(at)
	b.Reset()
	return rev, nil
}

// apply writes all, or nothing and says which key was the reason.
func (b *Batch) apply(at replica.Instant) (rev Revision, key string, err error) {
	r := b.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.writable(); err != nil {
		return rev, "", err
	}
	for i := range b.writes {
		w := &b.writes[i]
		if err := b.check(at, w); err != nil {
			return rev, w.key, err
		}
	}
	if err := b.checkRoom(at); err != nil {
		return rev, "", err
	}
	b.touch()
	if len(b.writes) < fewToShare || runtime.GOMAXPROCS(0) == 1 {
		return b.writeAll(at)
	}
	r.batching = true
	r.rep.Batch(func(beside func()) { go beside() }, func() { rev, key, err = b.writeAll(at) })
	r.batching = false
	r.scheduleTick(at)
	return rev, key, err
}

// touch spares the writes most of the time for which they would wait for memory.
func (b *Batch) touch() {
	seen := byte(0)
	for i := range b.writes {
		seen += b.r.m.Touch(lwwmap.Data, b.writes[i].key)
	}
	runtime.KeepAlive(seen)
}

// fewToShare is how many writes are not worth a second core.
const fewToShare = 256

func (b *Batch) writeAll(at replica.Instant) (rev Revision, key string, err error) {
	r := b.r
	for i := range b.writes {
		w := &b.writes[i]
		if w.delete {
			if _, err := r.present(w.key); err != nil {
				continue // absent: nothing to delete
			}
		}
		if rev, err = r.write(at, b.write(at, w)); err != nil {
			return rev, w.key, err
		}
	}
	return rev, "", nil
}

// check returns why a write would be refused. Without leases about, a write without options has been
// checked when it was added.
func (b *Batch) check(at replica.Instant, w *batchWrite) error {
	if w.opts == nil && b.r.m.Len(lwwmap.Lease) == 0 {
		return nil
	}
	if w.opts != nil {
		var err error
		if w.fence, err = b.r.fence(at, w.key, &w.opts.writeOptions); err != nil {
			return err
		}
	}
	return b.r.rep.CheckWrite(at, b.write(at, w))
}

// checkRoom returns why all writes together are too much. Of several to a key the last one counts.
func (b *Batch) checkRoom(at replica.Instant) error {
	if b.r.node.cfg.MaxBytes == 0 {
		return nil
	}
	growth, seen := int64(0), make(map[string]bool, len(b.writes))
	for i := len(b.writes) - 1; i >= 0; i-- {
		if w := b.write(at, &b.writes[i]); !seen[w.Key] {
			seen[w.Key] = true
			growth += b.r.rep.Growth(&w)
		}
	}
	return b.r.rep.CheckRoom(growth)
}

func (b *Batch) write(at replica.Instant, w *batchWrite) replica.Write {
	out := replica.Write{Key: w.key, Delete: w.delete, Fence: w.fence, Fits: true}
	if w.delete {
		return out
	}
	out.Value = b.values[w.from:w.to]
	switch {
	case w.opts != nil:
		out.Expires = b.r.putExpiry(at, w.key, w.opts)
	case b.r.opts.defaultTTL != 0:
		out.Expires = b.r.expiry(at, b.r.opts.defaultTTL)
	}
	return out
}
