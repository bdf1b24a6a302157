package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// A lease record is an entry of kind Lease under the key it guards. Its order
// is that of leases: the token (higher epoch, then earlier claim, then lower
// owner) is the fence, and released flag and renewal count are the base.
const releasedBit = hlc.Timestamp(1) << 63

// LeaseInfo is a lease record in the open.
type LeaseInfo struct {
	Token    lwwmap.Token
	Owner    string // peer id of the node that holds it
	TTL      time.Duration
	Meta     []byte
	Renewals uint64
	Released bool
}

// Bounds of a lease's time to live between renewals.
const (
	MinLeaseTTL = 10 * time.Millisecond
	MaxLeaseTTL = 24 * time.Hour
)

type wireLease struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Owner   cbor.ByteString
	TTL     uint64 // ms
	Meta    []byte
}

const maxLeaseMeta = 1 << 10

// Lease reads a lease record. It must be of kind Lease; what a replica holds
// has been checked.
func Lease(rec lwwmap.Record) LeaseInfo {
	e := rec.Entry()
	info, err := decodeLease(&e)
	if err != nil {
		return LeaseInfo{Token: e.Fence}
	}
	return info
}

func decodeLease(e *lwwmap.Entry) (LeaseInfo, error) {
	var w wireLease
	if err := decMode.Unmarshal(e.Value, &w); err != nil {
		return LeaseInfo{}, fmt.Errorf("not a lease: %w", err)
	}
	ttl := time.Duration(w.TTL) * time.Millisecond
	switch {
	case w.Version != Version:
		return LeaseInfo{}, fmt.Errorf("lease of version %d", w.Version)
	case w.TTL > uint64(MaxLeaseTTL/time.Millisecond) || ttl < MinLeaseTTL:
		return LeaseInfo{}, errors.New("lease with a time to live out of bounds")
	case e.Fence.IsZero() || e.Deleted || e.Expires != 0 || len(w.Meta) > maxLeaseMeta || len(w.Owner) == 0:
		return LeaseInfo{}, errors.New("incomplete lease")
	}
	return LeaseInfo{
		Token: e.Fence, Owner: string(w.Owner), TTL: ttl, Meta: w.Meta,
		Renewals: uint64(e.Base &^ releasedBit), Released: e.Base&releasedBit != 0,
	}, nil
}

// leases knows when this replica last heard of each lease, on its own
// monotonic clock: no wall clocks are compared.
type leases struct {
	heard  map[string]time.Duration
	opened time.Duration
	sweep  time.Duration
}

func (l *leases) init(m *lwwmap.Map, at Instant) {
	l.heard, l.opened = map[string]time.Duration{}, at.Mono
	m.Ascend(lwwmap.Lease, "", "", func(r lwwmap.Record) bool {
		l.heard[r.Key()] = at.Mono
		return true
	})
}

func (l *leases) observe(r lwwmap.Record, at Instant) { l.heard[r.Key()] = at.Mono }

// LeaseMargin is what a lease's observers wait beyond its time to live before
// they take it for lapsed, and what its holder gives up early.
func LeaseMargin(ttl time.Duration) time.Duration { return ttl / 4 }

// LeaseOn returns the lease on a key that is live as far as this replica has
// heard, and how long it is so without another renewal.
func (r *Replica) LeaseOn(at Instant, key string) (LeaseInfo, time.Duration, bool) {
	rec := r.m.Get(lwwmap.Lease, key)
	if rec.IsZero() {
		return LeaseInfo{}, 0, false
	}
	info := Lease(rec)
	left := r.leases.heard[key] + info.TTL + LeaseMargin(info.TTL) - at.Mono
	if info.Released || left <= 0 {
		return info, 0, false
	}
	return info, left, true
}

// checkLease refuses a write to a key that someone else's lease guards.
func (r *Replica) checkLease(at Instant, key string, fence lwwmap.Token) error {
	if r.m.Len(lwwmap.Lease) == 0 {
		return nil
	}
	info, left, live := r.LeaseOn(at, key)
	switch {
	case fence.IsZero() && live:
		return &LockedError{Key: key, Lease: info, Remaining: left}
	case !fence.IsZero() && SameClaim(info.Token, fence) && !info.Released:
		return nil
	case !fence.IsZero() && info.Token.Compare(fence) > 0:
		return fmt.Errorf("%w: %q is under the later lease %s", ErrLeaseLost, key, info.Token)
	case !fence.IsZero() && info.Released && SameClaim(info.Token, fence):
		return fmt.Errorf("%w: the lease on %q was released", ErrLeaseLost, key)
	}
	return nil
}

// SameClaim says whether two tokens are of one lease. Its token grows while it
// is held: a renewal on a later day moves the epoch on, and a write may lift it
// above a fence that the key has carried. Whoever holds an older one of them
// holds the lease all the same; what it writes carries the present one.
func SameClaim(a, b lwwmap.Token) bool { return a.Claim() == b.Claim() && a.Owner() == b.Owner() }

// currentFence returns the token under which a write of the lease's holder is
// made: the held one, if the holder's own has been renewed into it.
func (r *Replica) currentFence(key string, fence lwwmap.Token) lwwmap.Token {
	if fence.IsZero() {
		return fence
	}
	if rec := r.m.Get(lwwmap.Lease, key); !rec.IsZero() {
		if held, _ := rec.Fence(); SameClaim(held, fence) {
			return held
		}
	}
	return fence
}

// liftLease moves the lease of a holder about to write above a bare fence that
// the key carries or has carried: that was taken from a horizon, so it is no
// rival's, or of a rival of whose lease nothing was heard but a write that is
// forgotten since. Either way the holder's writes must stand above it.
func (r *Replica) liftLease(at Instant, key string, token lwwmap.Token) (lwwmap.Token, error) {
	if token.IsZero() {
		return token, nil
	}
	fence, _ := r.forgotten(&lwwmap.Entry{Kind: lwwmap.Data, Key: key})
	if fence.Epoch() > lastEpoch(at) {
		fence = lwwmap.Token{} // a liar used the last epoch; others would refuse the lease
	}
	if held := r.m.Get(lwwmap.Data, key); !held.IsZero() {
		if carried, _ := held.Fence(); carried.Compare(fence) > 0 {
			fence = carried
		}
	}
	rec := r.m.Get(lwwmap.Lease, key)
	if fence.Compare(token) <= 0 || rec.IsZero() || !SameClaim(Lease(rec).Token, token) {
		return token, nil
	}
	stamp, err := r.cfg.Clock.Now(at.Wall)
	if err != nil {
		return token, err
	}
	if err := checkEpoch(at, key, fence.Epoch()); err != nil {
		return token, err
	}
	info := Lease(rec)
	info.Token = lwwmap.MakeToken(fence.Epoch(), token.Claim(), token.Owner())
	return info.Token, r.writeLease(at, key, stamp, info)
}

// checkEpoch refuses what other replicas would refuse in the record.
func checkEpoch(at Instant, key string, epoch uint64) error {
	if epoch > lastEpoch(at) {
		return fmt.Errorf("%w: the epochs of leases on %q are used up for now; try again tomorrow", ErrBounds, key)
	}
	return nil
}

// epochBase is the first epoch of keys claimed on the day of a stamp: tokens
// grow for ever without keeping records for ever, while claims made on the same
// day still meet in one epoch.
func epochBase(at hlc.Timestamp) uint64 {
	return at.Millis() / uint64(24*time.Hour/time.Millisecond) << 32
}

// Claim takes a lease on a free key; nonce tells this claim from others of the
// same node. The error is a *LockedError while someone holds the key.
func (r *Replica) Claim(at Instant, key string, nonce uint64, ttl time.Duration, meta []byte) (lwwmap.Token, error) {
	if len(key) == 0 || len(key) > r.cfg.MaxKey {
		return lwwmap.Token{}, fmt.Errorf("%w: %d bytes, allowed are 1 to %d", ErrKey, len(key), r.cfg.MaxKey)
	}
	if err := checkTerms(ttl, meta); err != nil {
		return lwwmap.Token{}, err
	}
	info, left, live := r.LeaseOn(at, key)
	if live {
		return lwwmap.Token{}, &LockedError{Key: key, Lease: info, Remaining: left}
	}
	return r.claim(at, key, nonce, ttl, meta, info.Token)
}

// checkTerms refuses what other replicas would refuse in the record.
func checkTerms(ttl time.Duration, meta []byte) error {
	if ttl < MinLeaseTTL || ttl > MaxLeaseTTL || len(meta) > maxLeaseMeta {
		return fmt.Errorf("%w: lease for %s with %d bytes of meta data, allowed are %s to %s and %d bytes",
			ErrBounds, ttl, len(meta), MinLeaseTTL, MaxLeaseTTL, maxLeaseMeta)
	}
	return nil
}

// leaseWeight is about what a lease weighs beyond its key and meta data.
const leaseWeight = 300

// claim takes an epoch above that of the record known, which may be none.
func (r *Replica) claim(at Instant, key string, nonce uint64, ttl time.Duration, meta []byte, above lwwmap.Token) (lwwmap.Token, error) {
	if r.m.Get(lwwmap.Lease, key).IsZero() {
		if err := r.checkOwnRoom(lwwmap.Lease, leaseWeight+int64(len(key)+len(meta))); err != nil {
			return lwwmap.Token{}, err
		}
	}
	if err := r.ensureActor(at); err != nil {
		return lwwmap.Token{}, err
	}
	stamp, err := r.cfg.Clock.Now(at.Wall)
	if err != nil {
		return lwwmap.Token{}, err
	}
	epoch := epochBase(stamp)
	if !above.IsZero() {
		epoch = max(epoch, nextEpoch(above))
	}
	// The key may carry a fence whose lease has not been heard of.
	if held := r.m.Get(lwwmap.Data, key); !held.IsZero() {
		if fence, _ := held.Fence(); fence.Compare(above) > 0 {
			epoch = max(epoch, fence.Epoch()+1)
		}
	}
	if err := checkEpoch(at, key, epoch); err != nil {
		return lwwmap.Token{}, err
	}
	token := lwwmap.MakeToken(epoch, stamp, nonce)
	return token, r.writeLease(at, key, stamp, LeaseInfo{Token: token, Owner: r.cfg.Peer, TTL: ttl, Meta: meta})
}

func (r *Replica) writeLease(at Instant, key string, stamp hlc.Timestamp, info LeaseInfo) error {
	value, err := encMode.Marshal(wireLease{Version: Version, Owner: cbor.ByteString(info.Owner), TTL: uint64(info.TTL / time.Millisecond), Meta: info.Meta})
	if err != nil {
		return fmt.Errorf("replica: encode lease: %w", err)
	}
	base := hlc.Timestamp(info.Renewals)
	if info.Released {
		base |= releasedBit
	}
	_, _, err = r.commit(at, lwwmap.Entry{Kind: lwwmap.Lease, Key: key, Value: value, Stamp: stamp, Fence: info.Token, Base: base})
	return err
}

// Renew makes the lease last for another ttl. The token returned is the one to
// use from now on: it grows when the day's epoch has, and when the record that
// beat this lease has been released, in which case this is a new claim, with
// meta: the record that held this lease's is gone. The error is ErrLeaseLost
// when another owner's claim has won.
func (r *Replica) Renew(at Instant, key string, token lwwmap.Token, ttl time.Duration, meta []byte) (lwwmap.Token, error) {
	if err := checkTerms(ttl, meta); err != nil {
		return token, err
	}
	rec := r.m.Get(lwwmap.Lease, key)
	if rec.IsZero() {
		return token, fmt.Errorf("%w: no lease on %q is known", ErrLeaseLost, key)
	}
	held := Lease(rec)
	if !SameClaim(held.Token, token) {
		if held.Released && held.Token.Compare(token) > 0 {
			return r.claim(at, key, token.Owner(), ttl, meta, held.Token)
		}
		return token, fmt.Errorf("%w: %q went to %s", ErrLeaseLost, key, held.Owner)
	}
	if held.Released {
		return token, fmt.Errorf("%w: the lease on %q was released", ErrLeaseLost, key)
	}
	if held.Renewals == uint64(releasedBit)-1 {
		return token, fmt.Errorf("%w: the renewals of the lease on %q are used up", ErrLeaseLost, key)
	}
	stamp, err := r.cfg.Clock.Now(at.Wall)
	if err != nil {
		return token, err
	}
	held.Renewals++
	held.TTL = ttl
	if base := epochBase(stamp); base > held.Token.Epoch() {
		held.Token = lwwmap.MakeToken(base, token.Claim(), token.Owner())
	}
	return held.Token, r.writeLease(at, key, stamp, held)
}

// Release gives the lease up at once. A lease that is no longer the key's is
// left as it is, without an error.
func (r *Replica) Release(at Instant, key string, token lwwmap.Token) error {
	rec := r.m.Get(lwwmap.Lease, key)
	if rec.IsZero() {
		return nil
	}
	held := Lease(rec)
	if !SameClaim(held.Token, token) || held.Released {
		return nil
	}
	stamp, err := r.cfg.Clock.Now(at.Wall)
	if err != nil {
		return err
	}
	held.Released = true
	return r.writeLease(at, key, stamp, held)
}

// rival tells of a claim that the held lease has beaten while it was live: two
// nodes held the key at the same time.
func (r *Replica) rival(at Instant, e *lwwmap.Entry, held lwwmap.Record) {
	if e.Kind != lwwmap.Lease {
		return
	}
	if fence, _ := held.Fence(); fence != e.Fence && e.Base&releasedBit == 0 {
		r.cfg.Notify(Change{Now: held, Was: held, Rival: lwwmap.Pack(e, lwwmap.Digest{})})
	}
}

const (
	// leaseSweep is how often leases are looked through for old ones.
	leaseSweep = time.Hour
	// leaseMemory is how long the record of a lease is kept at least, beyond the
	// day of its epoch.
	leaseMemory = 48 * time.Hour
)

// collectLeases forgets records of leases that are over, two days after the
// day of their epoch at the earliest: by then a new claim's epoch is higher
// whether or not the claimer knows the record. It says whether there are more.
func (r *Replica) collectLeases(at Instant) (more bool) {
	if at.Mono-r.leases.sweep < leaseSweep {
		return false
	}
	now := r.Now(at)
	var old []lwwmap.Record
	r.m.Ascend(lwwmap.Lease, "", "", func(rec lwwmap.Record) bool {
		info := Lease(rec)
		if _, _, live := r.LeaseOn(at, rec.Key()); !live && info.Token.Epoch()>>32 < epochBase(now.Add(-leaseMemory))>>32 {
			old = append(old, rec)
		}
		return len(old) < housekeepingBatch
	})
	for _, rec := range old {
		r.out.lost(rec)
		r.m.Forget(rec)
		delete(r.leases.heard, rec.Key())
		r.stats.Collected++
	}
	if len(old) == housekeepingBatch {
		return true
	}
	r.leases.sweep = at.Mono
	return false
}
