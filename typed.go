package minikv

import (
	"context"
	"fmt"
	"iter"
)

// Typed views a [Registry] as a map of T. Several views of one registry may exist. Use [NewTyped] or
// [Declare]. Safe for concurrent use.
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
func (t *Typed[T]) Get(ctx context.Context, key string) (T, error) {
	e, err := t.Entry(ctx, key)
	return e.V, err
}

// Entry is Get with revision, expiry, writer and lock. With [ErrCodec] the raw entry is there, and V is zero.
func (t *Typed[T]) Entry(ctx context.Context, key string) (TypedEntry[T], error) {
	e, err := t.r.Get(ctx, key)
	if err != nil {
		return TypedEntry[T]{}, err
	}
	v, err := t.decode("get", e)
	return TypedEntry[T]{e, v}, err
}

// Put stores v under key, see [Registry.Put]. [ErrCodec] when it cannot be encoded.
func (t *Typed[T]) Put(ctx context.Context, key string, v T, opts ...PutOption) (Revision, error) {
	b, err := t.c.Append(nil, v)
	if err != nil {
		return Revision{}, t.r.wrap("put", key, codecError(err))
	}
	return t.r.Put(ctx, key, b, opts...)
}

// Delete is [Registry.Delete].
func (t *Typed[T]) Delete(ctx context.Context, key string, opts ...WriteOption) error {
	return t.r.Delete(ctx, key, opts...)
}

// Prefix walks the entries whose keys begin with prefix, see [Registry.All]. Where bytes are no T the error
// is [ErrCodec], with the raw entry beside it, and the walk goes on if the loop does.
func (t *Typed[T]) Prefix(ctx context.Context, prefix string) iter.Seq2[TypedEntry[T], error] {
	return func(yield func(TypedEntry[T], error) bool) {
		for e, err := range t.r.Prefix(ctx, prefix) {
			var v T
			if err == nil {
				v, err = t.decode("prefix", e)
			}
			if !yield(TypedEntry[T]{e, v}, err) {
				return
			}
		}
	}
}

// Watch is [Registry.Watch]. Bytes that are no T are told as in Prefix.
func (t *Typed[T]) Watch(ctx context.Context, prefix string, opts ...WatchOption) iter.Seq2[TypedEvent[T], error] {
	return func(yield func(TypedEvent[T], error) bool) {
		for ev, err := range t.r.Watch(ctx, prefix, opts...) {
			var v T
			if err == nil && ev.Kind == EventPut {
				v, err = t.decode("watch", ev.Entry)
			}
			if !yield(TypedEvent[T]{ev, v}, err) {
				return
			}
		}
	}
}

func (t *Typed[T]) decode(op string, e Entry) (T, error) {
	var v, zero T
	if err := t.c.Decode(e.Value, &v); err != nil {
		return zero, t.r.wrap(op, e.Key, codecError(err))
	}
	return v, nil
}

func codecError(err error) error {
	return &classed{ErrCodec, fmt.Errorf("value does not match its codec: %w", err)}
}
