package minikv

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// Registry is a named map, held in full by every node that opens it; like a bucket. Use [Node.Registry].
// Safe for concurrent use.
//
// Keys are any bytes, 1 to 1,024 of them, ordered bytewise. Operations return [ErrKeyInvalid] for others,
// [ErrClosed] after Close, and the context's error if it has ended before they begin; writes also
// [ErrReadOnly] where the registry was opened so, and [ErrLocked] while someone else holds a lease on the
// key. No operation but Lock, Watch and those on peers waits for the network. On a node with a directory writes
// wait for the disk, as [Config].Durability says, and reads for what is not in memory; there any operation may
// return [ErrStorage] or [ErrCorrupt], and writes [ErrDiskFull].
type Registry struct {
	name string
	node *Node
	opts registryOptions

	member atomic.Pointer[membership] // nil: public
	shared atomic.Bool                // a ticket was made
	broken atomic.Pointer[error]      // why nothing can be written: a step could not be committed; written under mu

	mu         stepMutex // guards what follows, and every call of rep
	err        error     // why nothing works any more: closed, or never opened
	rep        *replica.Replica
	m          *lwwmap.Map // rep's
	writers    map[crdt.Actor]PeerID
	watches    []*watch
	locks      lockTable
	peers      map[PeerID]*peerRecord
	counts     counts
	quarantine quarantine
	writeTime  stopwatch
	syncTime   stopwatch
	gossipLag  stopwatch
	warned     time.Duration // monotonic: when the clock was last complained of

	nextTick   time.Duration // monotonic
	batching   bool          // a batch is being written: it looks at its expiries itself
	tickSooner chan struct{} // capacity 1
	syncNews   chan struct{} // closed, and made anew, when a peer has been synced with

	link   *link // nil: offline
	done   <-chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup // all but exchanges
}

// brokenRegistry is one that could not be opened: all it does is return the reason.
func brokenRegistry(n *Node, name string, err error) *Registry {
	if outer := (*Error)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	return &Registry{name: name, node: n, err: err}
}

// Name is the name it was opened by.
func (r *Registry) Name() string { return r.name }

// Node is the node it was opened on.
func (r *Registry) Node() *Node { return r.node }

// Get returns the entry of a key. [ErrNotFound] when it is absent, deleted or expired. The entry is the
// caller's, Value included.
func (r *Registry) Get(ctx context.Context, key string) (Entry, error) {
	if err := r.checkRead(ctx, key); err != nil {
		return Entry{}, r.wrap("get", key, err)
	}
	r.mu.RLock()
	rec, err := r.present(key)
	if err != nil {
		r.mu.RUnlock()
		return Entry{}, r.wrap("get", key, err)
	}
	e := Entry{Key: key, Writer: r.writers[rec.Dot().Actor], Lock: r.lockOn(key)}
	r.mu.RUnlock()
	fillEntry(&e, rec)
	return e, nil
}

// Has reports whether the key is present.
func (r *Registry) Has(ctx context.Context, key string) (bool, error) {
	err := r.checkRead(ctx, key)
	if err == nil {
		r.mu.RLock()
		_, err = r.present(key)
		r.mu.RUnlock()
	}
	if err == ErrNotFound {
		return false, nil
	}
	return err == nil, r.wrap("has", key, err)
}

// TTL returns how long the key still has, rounded up to whole milliseconds; ok is false when it has no
// expiry. [ErrNotFound] when absent.
func (r *Registry) TTL(ctx context.Context, key string) (ttl time.Duration, ok bool, err error) {
	if err := r.checkRead(ctx, key); err != nil {
		return 0, false, r.wrap("ttl", key, err)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	rec, err := r.present(key)
	if err != nil {
		return 0, false, r.wrap("ttl", key, err)
	}
	if rec.Expires().IsZero() {
		return 0, false, nil
	}
	left := rec.Expires().Sub(r.now())
	return max(left, time.Millisecond), true, nil
}

// Len counts the present keys.
func (r *Registry) Len(ctx context.Context) (int, error) {
	if err := checkContext(ctx); err != nil {
		return 0, r.wrap("len", "", err)
	}
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return 0, r.wrap("len", "", r.err)
	}
	n := r.m.Len(lwwmap.Data)
	now := r.now()
	if next := r.m.NextExpiry(); next.IsZero() || next > now {
		return n, nil
	}
	n = 0 // rare: some have expired and not been reclaimed yet
	r.m.Ascend(lwwmap.Data, "", "", func(rec lwwmap.Record) bool {
		if !rec.Dead(now) {
			n++
		}
		return true
	})
	return n, r.wrap("len", "", r.m.Err())
}

// Root is the digest of the registry's content: what it holds now, leases included, tombstones left out.
// Equal on two nodes when their maps are equal and, up to the chance of a 128-bit hash, only then. Zero for
// an empty or closed registry.
func (r *Registry) Root() Digest {
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return Digest{}
	}
	return Digest(r.m.RootAt(r.now()))
}

// checkRead checks what needs no lock. Peers may have written longer keys than this node does.
func (r *Registry) checkRead(ctx context.Context, key string) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	return checkKeyLen(key, MaxKeyLen)
}

// checkKey is for keys that are to be written.
func (r *Registry) checkKey(key string) error { return checkKeyLen(key, r.node.cfg.MaxKeyLen) }

func checkKeyLen(key string, max int) error {
	if len(key) == 0 || len(key) > max {
		return detailf(ErrKeyInvalid, "the key has %d bytes; it can have 1 to %d", len(key), max)
	}
	return nil
}

// present returns the record of a key that is there, or ErrNotFound. The registry is locked, for reading at
// least.
func (r *Registry) present(key string) (lwwmap.Record, error) {
	if r.err != nil {
		return lwwmap.Record{}, r.err
	}
	rec := r.m.Get(lwwmap.Data, key)
	if rec.IsZero() {
		if err := r.m.Err(); err != nil {
			return lwwmap.Record{}, err
		}
	}
	if rec.IsZero() || rec.Deleted() || r.isExpired(rec) {
		return lwwmap.Record{}, ErrNotFound
	}
	return rec, nil
}

// isExpired spares records without an expiry the look at the clock.
func (r *Registry) isExpired(rec lwwmap.Record) bool {
	at := rec.Expires()
	return at != 0 && at <= r.now()
}

// fillEntry adds what the record itself tells. It needs no lock: records do not change.
func fillEntry(e *Entry, rec lwwmap.Record) {
	e.Rev = Revision{rec.Stamp()}
	if !rec.Deleted() {
		e.Value = append(make([]byte, 0, len(rec.Value())), rec.Value()...)
	}
	if at := rec.Expires(); at != 0 {
		e.Expires = expiryTime(at)
	}
	// A write without a lease takes over the fence of what it replaces, with the older base.
	if fence, base := rec.Fence(); base == rec.Stamp() && !fence.IsBare() {
		e.Under = Token(fence)
	}
}

// decorate makes the entry of a record, which may be held no more.
func (r *Registry) decorate(rec lwwmap.Record) Entry {
	e := Entry{Key: strings.Clone(rec.Key())}
	r.mu.RLock()
	e.Writer = r.writers[rec.Dot().Actor]
	if r.err == nil {
		e.Lock = r.lockOn(e.Key)
	}
	r.mu.RUnlock()
	fillEntry(&e, rec)
	return e
}

// actorOf is the actor that an origin record speaks of.
func actorOf(rec lwwmap.Record) crdt.Actor {
	return crdt.Actor(binary.BigEndian.Uint64([]byte(rec.Key())))
}

// wrap makes a user's error of err; nil stays nil.
func (r *Registry) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Registry: r.name, Key: key, Err: translate(err)}
}
