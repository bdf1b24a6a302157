package minikv

import (
	"context"
	"iter"
)

// Typed views a [Registry] as a map of T. Several views of one registry may exist. Safe for concurrent use.
type Typed[T any] struct {
	r *Registry
	c Codec[T]
}

// TypedEntry is an [Entry] with its decoded value.
type TypedEntry[T any] struct {
	Entry
	V T
}

// TypedEvent is an [Event] with its decoded value; V is zero for events without a value.
type TypedEvent[T any] struct {
	Event
	V T
}

// NewTyped views r as a map of T. A nil codec means [CBOR].
func NewTyped[T any](r *Registry, c Codec[T]) *Typed[T] {
	if c == nil {
		c = CBOR[T]()
	}
	return &Typed[T]{r, c}
}

// Raw is the registry.
func (t *Typed[T]) Raw() *Registry { return t.r }

// Get returns the value of a key. Errors are those of [Registry.Get], and [ErrCodec] when the bytes are no T.
func (t *Typed[T]) Get(ctx context.Context, key string) (T, error) { var z T; return z, errPending }

// Entry is Get with revision, expiry, writer and lock.
func (t *Typed[T]) Entry(ctx context.Context, key string) (TypedEntry[T], error) {
	return TypedEntry[T]{}, errPending
}

// Put stores v under key, see [Registry.Put]. [ErrCodec] when it cannot be encoded.
func (t *Typed[T]) Put(ctx context.Context, key string, v T, opts ...PutOption) (Revision, error) {
	return Revision{}, errPending
}

// Delete is [Registry.Delete].
func (t *Typed[T]) Delete(ctx context.Context, key string, opts ...WriteOption) error {
	return errPending
}

// Prefix walks the entries whose keys begin with prefix, see [Registry.All]. Where bytes are no T the error is [ErrCodec], with the raw entry beside it, and the walk goes on
// if the loop does.
func (t *Typed[T]) Prefix(ctx context.Context, prefix string) iter.Seq2[TypedEntry[T], error] {
	return nil
}

// Watch is [Registry.Watch]. Bytes that are no T are told as in Prefix.
func (t *Typed[T]) Watch(ctx context.Context, prefix string, opts ...WatchOption) iter.Seq2[TypedEvent[T], error] {
	return nil
}
