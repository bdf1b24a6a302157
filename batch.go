package minikv

import "context"

// Limits of a [Batch].
const (
	MaxBatchLen   = 100_000  // writes
	MaxBatchBytes = 64 << 20 // keys and values
)

// Batch gathers writes and applies them in one step on this node: readers and watches here see all or none, and they travel as one message. It is not a
// transaction: nothing is read, and on meeting other nodes' writes each key is judged by itself. Use [Registry.NewBatch]. Not safe for concurrent use.
type Batch struct {
	r *Registry
}

// NewBatch returns an empty batch.
func (r *Registry) NewBatch() *Batch { return &Batch{r: r} }

// Put adds a put. Key and value are copied. Errors come from Commit. Of several writes to a key the last one counts. A TTL runs from Commit.
func (b *Batch) Put(key string, value []byte, opts ...PutOption) {}

// Delete adds a delete.
func (b *Batch) Delete(key string, opts ...WriteOption) {}

// Len is the number of distinct keys.
func (b *Batch) Len() int { return 0 }

// Reset empties the batch.
func (b *Batch) Reset() {}

// Commit applies the batch and empties it, and returns the revision of its last write; zero where it was empty. On an error nothing is applied and the batch stays as it
// was: the first error of a Put or Delete, [ErrTooLarge] over 100,000 writes or 64 MiB, [ErrLocked] when any key is held by someone else.
func (b *Batch) Commit(ctx context.Context) (Revision, error) { return Revision{}, errPending }
