package minikv

import (
	"context"
	"iter"
	"time"
)

// Registry is a named map, held in full by every node that opens it; like a bucket. Use [Node.Registry]. Safe for concurrent use.
//
// Keys are any bytes, 1 to 1,024 of them, ordered bytewise. Operations return [ErrKeyInvalid] for others, [ErrClosed] after Close, and the
// context's error if it has ended before they begin; writes also [ErrReadOnly] where the registry was opened so, and [ErrLocked]
// while someone else holds a lease on the key. No operation but Lock and Watch waits for anything but memory.
type Registry struct {
	name string
}

// Name is the name it was opened by.
func (r *Registry) Name() string { return r.name }

// Node is the node it was opened on.
func (r *Registry) Node() *Node { return nil }

// Get returns the entry of a key. [ErrNotFound] when it is absent, deleted or expired. The entry is the caller's, Value included.
func (r *Registry) Get(ctx context.Context, key string) (Entry, error) { return Entry{}, errPending }

// Has reports whether the key is present.
func (r *Registry) Has(ctx context.Context, key string) (bool, error) { return false, errPending }

// Put stores value under key, over whatever is there, and returns the write's revision. The value is copied; nil is stored as empty. An earlier expiry is gone
// unless [KeepTTL]: without it, [TTL] or [Persist] the registry's default applies. [ErrTooLarge] when the value is over Config.MaxValueLen.
func (r *Registry) Put(ctx context.Context, key string, value []byte, opts ...PutOption) (Revision, error) {
	return Revision{}, errPending
}

// Delete removes the key. When it is absent it does nothing and returns nil.
func (r *Registry) Delete(ctx context.Context, key string, opts ...WriteOption) error {
	return errPending
}

// TTL returns how long the key still has, rounded up to whole milliseconds; ok is false when it has no expiry. [ErrNotFound] when absent.
func (r *Registry) TTL(ctx context.Context, key string) (ttl time.Duration, ok bool, err error) {
	return 0, false, errPending
}

// Expire makes a present key expire after ttl from now: it writes the same value again. [ErrNotFound] when absent. ttl has to be more than zero, see [TTL]; use
// Delete to remove the key now.
func (r *Registry) Expire(ctx context.Context, key string, ttl time.Duration, opts ...WriteOption) error {
	return errPending
}

// Persist drops the expiry of a present key: it writes the same value again. [ErrNotFound] when absent, nil and nothing written when it has no expiry.
func (r *Registry) Persist(ctx context.Context, key string, opts ...WriteOption) error {
	return errPending
}

// Len counts the present keys. It takes time in proportion to them only where entries have an expiry.
func (r *Registry) Len(ctx context.Context) (int, error) { return 0, errPending }

// Root is the digest of the registry's content: what it holds, tombstones left out, leases included. Equal on two nodes when their maps are equal, and up to the
// chance of a 128-bit hash only then. Entries that have expired count until their space is reclaimed.
func (r *Registry) Root() Digest { return Digest{} }

// All walks all entries by ascending key as they were at one moment, the start of the walk. Writers do not wait for it, and the body may write.
// An error, once, ends the walk: [ErrClosed] or the context's.
func (r *Registry) All(ctx context.Context) iter.Seq2[Entry, error] { return nil }

// Prefix is All for the keys that begin with prefix.
func (r *Registry) Prefix(ctx context.Context, prefix string) iter.Seq2[Entry, error] { return nil }

// Range is All for the keys from <= key < to. An empty to is no bound.
func (r *Registry) Range(ctx context.Context, from, to string) iter.Seq2[Entry, error] { return nil }

// Keys is Prefix for keys alone, without copying values.
func (r *Registry) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] { return nil }
