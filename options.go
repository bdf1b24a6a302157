package minikv

import (
	"time"

	"github.com/minikv/minikv/hlc"
)

// Option interfaces are sealed: an option of a watch does not compile into a put.
type (
	// RegistryOption is for [Node.Registry] and [Declare]: [Public], [ReadOnly], [DefaultTTL].
	RegistryOption interface{ applyRegistry(*registryOptions) error }
	// MemberOption is a [RegistryOption] and a [JoinOption]: [ReadOnly], [DefaultTTL].
	MemberOption interface {
		RegistryOption
		JoinOption
	}
	// PutOption is for [Registry.Put], [Batch.Put] and the like: [TTL], [ExpiresAt], [KeepTTL], [Persist],
	// [Under], [UnderToken], [NoWait], [Locked].
	PutOption interface{ applyPut(*putOptions) error }
	// WriteOption is for [Registry.Delete], [Registry.Expire] and [Registry.Persist], and also a
	// [PutOption]: [Under], [UnderToken], [NoWait].
	WriteOption interface {
		PutOption
		applyWrite(*writeOptions) error
	}
	// BatchOption is for [Registry.NewBatch]: [NoWait].
	BatchOption interface{ applyBatch(*Batch) }
	// WatchOption is for [Registry.Watch]: [UpdatesOnly], [After].
	WatchOption interface{ applyWatch(*watchOptions) error }
	// LockOption is for [Registry.Lock] and the like: [TTL], [NoRenew], [StopWhenIsolated], [Meta].
	LockOption interface{ applyLock(*lockOptions) error }
)

type registryOptions struct {
	public     bool
	member     *membership // of a private registry that is being opened
	readOnly   bool
	defaultTTL time.Duration // zero: none
}

// newRegistryOptions checks a registry's name and gathers its options.
func newRegistryOptions(name string, opts []RegistryOption) (o registryOptions, err error) {
	if err := checkText("the registry's name", name, 1, maxRegistryName); err != nil {
		return o, err
	}
	for _, opt := range opts {
		if opt == nil {
			return o, errNilOption
		}
		if err := opt.applyRegistry(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

const maxRegistryName = 255 // bytes

// contradicts says whether opening an open registry with these options asks for something else. What is not
// given is not asked for.
func (o registryOptions) contradicts(open registryOptions) bool {
	return o.public && !open.public || o.readOnly && !open.readOnly || o.defaultTTL != 0 && o.defaultTTL != open.defaultTTL
}

var errOtherOptions = detailf(ErrInvalid, "the registry is open with other options; give the same, or none to take it as it is")

type writeOptions struct {
	lease  *Lease // nil: none, or only the token is known
	token  Token  // zero: not under a lease
	noWait bool
}

func newWriteOptions(opts []WriteOption) (o writeOptions, err error) {
	for _, opt := range opts {
		if opt == nil {
			return o, errNilOption
		}
		if err := opt.applyWrite(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

type putOptions struct {
	writeOptions
	ttl     time.Duration // zero: not given
	expires hlc.Timestamp // zero: not given
	keepTTL bool
	persist bool
	locked  *lockedOption // nil: not wanted
}

func newPutOptions(opts []PutOption) (o putOptions, err error) {
	for _, opt := range opts {
		if opt == nil {
			return o, errNilOption
		}
		if err := opt.applyPut(&o); err != nil {
			return o, err
		}
	}
	if o.keepTTL && o.ttl != 0 {
		return o, detailf(ErrInvalid, "both TTL and KeepTTL; give one")
	}
	if o.expires != 0 && (o.keepTTL || o.ttl != 0) {
		return o, detailf(ErrInvalid, "both ExpiresAt and TTL or KeepTTL; give one")
	}
	if o.locked != nil && o.noWait {
		return o, detailf(ErrInvalid, "both Locked and NoWait; a lease waits for the disk")
	}
	if o.locked != nil && (o.lease != nil || !o.token.IsZero()) {
		return o, detailf(ErrInvalid, "both Locked and Under; a put under a lease needs no second one")
	}
	return o, nil
}

type watchOptions struct {
	updatesOnly bool
	after       Position
}

func newWatchOptions(opts []WatchOption) (o watchOptions, err error) {
	for _, opt := range opts {
		if opt == nil {
			return o, errNilOption
		}
		if err := opt.applyWatch(&o); err != nil {
			return o, err
		}
	}
	if o.updatesOnly && !o.after.IsZero() {
		return o, detailf(ErrInvalid, "both UpdatesOnly and After; After alone leaves out what was delivered")
	}
	return o, nil
}

type lockOptions struct {
	ttl              time.Duration
	noRenew          bool
	stopWhenIsolated bool
	meta             []byte
}

func newLockOptions(opts []LockOption) (lockOptions, error) {
	o := lockOptions{ttl: DefaultLeaseTTL}
	for _, opt := range opts {
		if opt == nil {
			return o, errNilOption
		}
		if err := opt.applyLock(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

var errNilOption = detailf(ErrInvalid, "an option is nil")

// Bounds of a TTL.
const (
	maxTTL          = 100 * 365 * 24 * time.Hour
	DefaultLeaseTTL = 15 * time.Second
	MinLeaseTTL     = 100 * time.Millisecond
	MaxLeaseTTL     = 24 * time.Hour
)

// TTL makes an entry expire that long after the write (as an option of a put; more than zero, at most 100
// years, rounded up to whole milliseconds), or sets how long a lease lasts between renewals (as an option
// of a lock; default 15 s, at least 100 ms, at most 24 hours).
type TTL time.Duration

func (t TTL) applyPut(o *putOptions) error {
	o.ttl = time.Duration(t)
	return checkTTL(o.ttl)
}

func (t TTL) applyLock(o *lockOptions) error {
	o.ttl = time.Duration(t)
	if o.ttl < MinLeaseTTL || o.ttl > MaxLeaseTTL {
		return detailf(ErrInvalid, "a lease's TTL of %v; it can be %v to %v", o.ttl, MinLeaseTTL, MaxLeaseTTL)
	}
	return nil
}

func checkTTL(d time.Duration) error {
	if d <= 0 {
		return detailf(ErrInvalid, "a TTL of %v; it has to be more than zero: use Delete to remove the key now, Persist to drop its expiry", d)
	}
	if d > maxTTL {
		return detailf(ErrInvalid, "a TTL of %v is more than 100 years; use Persist to keep the key for ever", d)
	}
	return nil
}

// ExpiresAt makes an entry expire at a time of the wall clock, rounded up to whole milliseconds. It has to be
// after 1970 and at most 100 years ahead; where it has passed, the entry is gone at once, and with it what the key held.
func ExpiresAt(t time.Time) PutOption { return expiresAt(t) }

type expiresAt time.Time

func (e expiresAt) applyPut(o *putOptions) (err error) {
	o.expires, err = expiryStamp(time.Time(e))
	return err
}

// NoWait makes a write on a node with a directory return before it is durable; it is seen on this node at once,
// as always. [Registry.Settle] waits for all writes so far: so those of a caller that makes many share an
// fsync. Until it has returned nil a crash may take them back.
func NoWait() interface {
	WriteOption
	BatchOption
} {
	return noWait{}
}

type noWait struct{}

func (noWait) applyPut(o *putOptions) error     { o.noWait = true; return nil }
func (noWait) applyWrite(o *writeOptions) error { o.noWait = true; return nil }
func (noWait) applyBatch(b *Batch)              { b.noWait = true }

// DefaultTTL makes entries of the registry that are put by this node without [TTL], [KeepTTL] or [Persist]
// expire after d. It is a setting of this node, not of the registry: other nodes may have another.
func DefaultTTL(d time.Duration) MemberOption { return defaultTTL(d) }

type defaultTTL time.Duration

func (d defaultTTL) applyRegistry(o *registryOptions) error {
	o.defaultTTL = time.Duration(d)
	return checkTTL(o.defaultTTL)
}

// Public opens a registry without a secret: whoever reaches a node of it and knows its name shares it,
// reading and writing. Without it a registry is private.
func Public() RegistryOption { return public{} }

type public struct{}

func (public) applyRegistry(o *registryOptions) error { o.public = true; return nil }

// ReadOnly makes this node follow the registry without writing to it: writes and locks return
// [ErrReadOnly]. Peers do not enforce it: what they enforce is a read ticket, see [Registry.Ticket].
func ReadOnly() MemberOption { return readOnly{} }

type readOnly struct{}

func (readOnly) applyRegistry(o *registryOptions) error { o.readOnly = true; return nil }

// KeepTTL makes a put over a present key keep its expiry. For an absent key the registry's default applies.
func KeepTTL() PutOption { return keepTTL{} }

type keepTTL struct{}

func (keepTTL) applyPut(o *putOptions) error { o.keepTTL = true; return nil }

// Persist makes a put never expire, whatever the registry's [DefaultTTL] and an accompanying [TTL].
func Persist() PutOption { return persist{} }

type persist struct{}

func (persist) applyPut(o *putOptions) error { o.persist = true; return nil }

// Under makes the write one of the lease's holder. The lease must be for the same key, else [ErrInvalid],
// and still held, else [ErrLeaseLost].
func Under(l *Lease) WriteOption { return under{l} }

type under struct{ l *Lease }

func (u under) applyPut(o *putOptions) error { return u.applyWrite(&o.writeOptions) }
func (u under) applyWrite(o *writeOptions) error {
	if u.l == nil {
		return detailf(ErrInvalid, "Under(nil); pass the lease that Lock returned")
	}
	o.lease, o.token = u.l, Token{}
	return nil
}

// UnderToken is like [Under] for those who were handed the token only, such as a child process. It works on
// any node that has heard of the lease, also with a token that the lease had earlier.
func UnderToken(t Token) WriteOption { return underToken(t) }

type underToken Token

func (t underToken) applyPut(o *putOptions) error { return t.applyWrite(&o.writeOptions) }
func (t underToken) applyWrite(o *writeOptions) error {
	if Token(t).IsZero() {
		return detailf(ErrInvalid, "UnderToken of a zero token")
	}
	o.lease, o.token = nil, Token(t)
	return nil
}

// Locked makes a put take the lease on the key in the same step, like [Registry.TryLock], and stores it in
// into. The put fails with a [*LockedError] when the key is held. opts are those of the lease; a TTL beside
// Locked is that of the entry. Not in a batch.
func Locked(into **Lease, opts ...LockOption) PutOption { return &lockedOption{into, opts} }

type lockedOption struct {
	into **Lease
	opts []LockOption
}

func (l *lockedOption) applyPut(o *putOptions) error {
	if l.into == nil {
		return detailf(ErrInvalid, "Locked(nil); pass the address of a *Lease")
	}
	o.locked = l
	return nil
}

// UpdatesOnly makes a watch leave out the present entries: it begins with [EventSynced].
func UpdatesOnly() WatchOption { return updatesOnly{} }

type updatesOnly struct{}

func (updatesOnly) applyWatch(o *watchOptions) error { o.updatesOnly = true; return nil }

// After makes a watch leave out what another watch with the same prefix had delivered when its
// [Event.Position] was taken, on this or another node. Deletes made since then are told as long as their
// tombstone is held, see [Config].TombstoneRetention. Not told are keys that went without one in between:
// by expiry, or because a peer knew of a delete that nobody remembers singly any more. A consumer that
// keeps a copy checks at [EventSynced] with [Registry.Has] those of its keys that can go so, or begins
// without After.
func After(p Position) WatchOption { return after{p} }

type after struct{ p Position }

func (a after) applyWatch(o *watchOptions) error { o.after = a.p; return nil }

// NoRenew takes a lease for one TTL: it is not renewed by itself, and lost after it unless extended. For a
// lease that outlives its handle, such as a lock taken by a script.
func NoRenew() LockOption { return noRenew{} }

type noRenew struct{}

func (noRenew) applyLock(o *lockOptions) error { o.noRenew = true; return nil }

// StopWhenIsolated gives the lease up when for a whole TTL no peer of the registry was there to take a
// renewal. Without it a holder that is cut off keeps its lease, and may find after the partition that
// another claim has won.
func StopWhenIsolated() LockOption { return stopWhenIsolated{} }

type stopWhenIsolated struct{}

func (stopWhenIsolated) applyLock(o *lockOptions) error { o.stopWhenIsolated = true; return nil }

// Meta is up to 1,024 bytes that others find in [LockInfo], such as who holds the lease and why. They are
// copied.
func Meta(b []byte) LockOption { return meta(b) }

type meta []byte

func (m meta) applyLock(o *lockOptions) error {
	if len(m) > maxMeta {
		return detailf(ErrTooLarge, "Meta of %d bytes; it can have %d", len(m), maxMeta)
	}
	o.meta = append([]byte(nil), m...)
	return nil
}

const maxMeta = 1024
