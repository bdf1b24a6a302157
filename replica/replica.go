package replica

import (
	"fmt"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Replica is one node's copy of one registry.
type Replica struct {
	cfg    Config
	m      *lwwmap.Map
	actor  crdt.Actor // zero until the first write since New
	out    outbox
	leases leases
	peers  schedule
	stats  Stats
	forks  forkBudget
	ranges ranges

	newcomers newcomers
	minted    map[crdt.Actor]bool // as which this replica has written since New; nil without Config.MaxBytes
}

// New returns a replica that continues with the state m, or with an empty one
// if m is nil. It writes as a new actor each time, minted at its first write:
// so a state that was copied, restored or rolled back never issues a dot twice.
func New(cfg Config, m *lwwmap.Map, at Instant) *Replica {
	cfg.fill()
	if m == nil {
		m = lwwmap.New(cfg.DigestKey)
	}
	r := &Replica{cfg: cfg, m: m, newcomers: newcomers{}}
	cfg.Clock.Restore(m.Clock())
	if cfg.MaxBytes > 0 {
		r.minted = map[crdt.Actor]bool{}
		m.TrackShares(r.owner)
	}
	r.leases.init(m, at)
	r.peers.init(cfg)
	return r
}

// Map returns the state. It belongs to the replica and is to be read only.
func (r *Replica) Map() *lwwmap.Map { return r.m }

// Actor returns as whom this replica writes, zero before its first write.
func (r *Replica) Actor() crdt.Actor { return r.actor }

// Now is the time by which this replica judges expiry: its own wall clock. The
// hybrid clock follows the fastest peer, and would shorten everybody's lifetimes.
func (r *Replica) Now(at Instant) hlc.Timestamp { return hlc.FromTime(at.Wall) }

// Write is a write to be made. Zero Expires means never, a zero Fence that the
// writer holds no lease.
type Write struct {
	Key     string
	Value   []byte        // not kept: the replica copies it. A delete has none
	Expires hlc.Timestamp // of a value
	Delete  bool
	Fence   lwwmap.Token
	Fits    bool // CheckRoom was asked, as for a batch
}

// Write makes a write to the data of the registry. It returns the new record
// and what it replaced. Errors: ErrKey, ErrValue, ErrFull, *LockedError, ErrLeaseLost,
// and the clock's, when it cannot reserve stamps. A refused write changes nothing.
func (r *Replica) Write(at Instant, w Write) (now, was lwwmap.Record, err error) {
	if err := r.CheckWrite(at, w); err != nil {
		return lwwmap.Record{}, lwwmap.Record{}, err
	}
	if r.cfg.MaxBytes > 0 && !w.Fits {
		if err := r.CheckRoom(r.Growth(&w)); err != nil {
			return now, was, err
		}
	}
	if w.Delete {
		w.Value, w.Expires = nil, 0
	}
	fence, err := r.liftLease(at, w.Key, r.currentFence(w.Key, w.Fence))
	if err != nil {
		return now, was, err
	}
	return r.commit(at, lwwmap.Entry{
		Kind: lwwmap.Data, Key: w.Key, Value: w.Value, Expires: w.Expires, Deleted: w.Delete, Fence: fence,
	})
}

// Batch calls fn, which may do nothing but Write, for many writes; spawn runs
// a function beside it. See [lwwmap.Map.Batch].
func (r *Replica) Batch(spawn func(func()), fn func()) { r.m.Batch(spawn, fn) }

// CheckWrite returns the error that Write would return now, but for ErrFull and the
// clock's, and writes nothing: so that a batch is applied whole or not at all.
func (r *Replica) CheckWrite(at Instant, w Write) error {
	if len(w.Key) == 0 || len(w.Key) > r.cfg.MaxKey {
		return fmt.Errorf("%w: %d bytes, allowed are 1 to %d", ErrKey, len(w.Key), r.cfg.MaxKey)
	}
	if len(w.Value) > r.cfg.MaxValue {
		return fmt.Errorf("%w: %d bytes, allowed are %d", ErrValue, len(w.Value), r.cfg.MaxValue)
	}
	if err := r.checkLease(at, w.Key, w.Fence); err != nil {
		return err
	}
	if w.Fence.IsZero() {
		return nil
	}
	if held := r.m.Get(lwwmap.Data, w.Key); !held.IsZero() {
		if fence, _ := held.Fence(); !fence.IsBare() && fence.Compare(r.currentFence(w.Key, w.Fence)) > 0 {
			return fmt.Errorf("%w: %q was written under the later lease %s", ErrLeaseLost, w.Key, fence)
		}
	}
	return nil
}

// commit gives a write its stamp, dot and place in the order, and stores it.
func (r *Replica) commit(at Instant, e lwwmap.Entry) (now, was lwwmap.Record, err error) {
	if err := r.ensureActor(at); err != nil {
		return now, was, err
	}
	if e.Stamp == 0 {
		if e.Stamp, err = r.cfg.Clock.Now(at.Wall); err != nil {
			return now, was, err
		}
	}
	place := r.m.Find(e.Kind, e.Key)
	if e.Kind == lwwmap.Data {
		r.placeData(&e, place.Held)
	}
	e.Dot = r.nextDot()
	now, was, ok := r.m.WriteAt(&place, &e)
	if !ok {
		return lwwmap.Record{}, was, fmt.Errorf("%w: %q holds a higher entry", ErrLeaseLost, e.Key)
	}
	r.out.wrote(now, was)
	r.changed(at, Change{Now: now, Was: was, Local: true})
	return now, was, nil
}

// placeData sets fence and base: under a lease its token and the write's own
// stamp; without one those of the entry replaced or, if higher, those of what
// may have been forgotten about the key. So a write wins over whatever its
// writer had seen, fenced or collected long ago, and loses to the holder's later
// ones.
func (r *Replica) placeData(e *lwwmap.Entry, held lwwmap.Record) {
	if !e.Fence.IsZero() {
		e.Base = e.Stamp
		return
	}
	if !held.IsZero() {
		e.Fence, e.Base = held.Fence()
	}
	fence, base := r.forgotten(e)
	if c := fence.Compare(e.Fence); c > 0 || (c == 0 && base > e.Base) {
		e.Fence, e.Base = fence, base
	}
}

// forgotten bounds fence and base of the entries of a key that this replica has
// seen and holds no more. The collection horizon is such a bound, but its fence
// may be another key's, and a plain write must not come to stand above a holder
// of this key of whom its writer has not heard. So the fence is cut down to the
// lease known on the key or, where that has been collected or not yet arrived,
// to the horizon of leases; then it is a bare one, so that the holder of a lease
// can tell it from a rival's.
func (r *Replica) forgotten(e *lwwmap.Entry) (lwwmap.Token, hlc.Timestamp) {
	horizons := r.m.Horizons()
	h, most := horizons.Of(e.Kind), horizons.Of(lwwmap.Lease).Fence
	if h.Fence.IsZero() {
		return h.Fence, h.Base // nothing fenced was ever forgotten
	}
	var known lwwmap.Token
	if rec := r.m.Get(lwwmap.Lease, e.Key); !rec.IsZero() {
		known, _ = rec.Fence()
	}
	if most.Compare(h.Fence) > 0 {
		most = h.Fence
	}
	switch {
	case h.Fence.Compare(known) <= 0:
		return h.Fence, h.Base
	case known.IsZero() && most.IsZero():
		return known, 0
	case most.Compare(known) <= 0:
		return known, e.Stamp
	case most.IsBare():
		return most, e.Stamp
	}
	return most.Above(), e.Stamp
}

func (r *Replica) nextDot() crdt.Dot {
	return crdt.Dot{Actor: r.actor, Seq: r.m.Context().Next(r.actor)}
}

// changed tells the owner, and keeps what depends on the map in step.
func (r *Replica) changed(at Instant, c Change) {
	switch {
	case !c.Now.IsZero() && c.Now.Kind() == lwwmap.Lease:
		r.leases.observe(c.Now, at)
	case c.Now.IsZero() && c.Was.Kind() == lwwmap.Lease:
		delete(r.leases.heard, c.Was.Key())
	}
	r.cfg.Notify(c)
}

// housekeepingBatch bounds the entries that one tick expires or collects, so
// that writers wait a millisecond at most.
const housekeepingBatch = 512

// Tick does what time demands: takes out what has expired, collects old
// tombstones and leases, and returns the peers with which to open a session
// now. more says that housekeeping is behind: tick again soon.
func (r *Replica) Tick(at Instant) (dial []string, more bool) {
	now := r.Now(at)
	gone := r.m.Expire(now, housekeepingBatch)
	for _, rec := range gone {
		r.out.lost(rec)
		r.stats.Expired++
		r.changed(at, Change{Was: rec, Expired: true})
	}
	collected := 0
	if kept := now.Time().Add(-r.cfg.Retention); kept.After(time.UnixMilli(0)) {
		collected = r.m.Collect(hlc.FromTime(kept), housekeepingBatch)
		r.stats.Collected += uint64(collected)
	}
	more = r.collectLeases(at) || len(gone) == housekeepingBatch || collected == housekeepingBatch
	return r.peers.due(r, at), more
}

// Stats counts what happened since New.
type Stats struct {
	Sent, Received uint64 // deltas
	Merged         uint64 // entries stored that others wrote
	Late           uint64 // of these, writes that the collection horizon lay above
	Expired        uint64
	Collected      uint64 // tombstones and leases
	Dropped        uint64 // entries taken out on a peer's word
	Restored       uint64 // entries kept against a peer's context, its horizon not covering them
	Refused        Refusals
	Sessions       SessionCounts
	Forks          uint64 // times this replica found its actor used by someone else
}

// Refusals counts what was refused, by reason.
type Refusals struct {
	Skew      uint64 // stamps too far ahead
	Bounds    uint64 // keys or values over the limits
	Forged    uint64 // entries under an actor that is another peer's
	Passed    uint64 // of a forger, passed on by a peer who cannot know
	Malformed uint64
	Full      uint64 // there was no room for them, see Config.MaxBytes
}

// Since returns what has been counted since was.
func (r Refusals) Since(was Refusals) Refusals {
	return Refusals{Skew: r.Skew - was.Skew, Bounds: r.Bounds - was.Bounds, Forged: r.Forged - was.Forged, Passed: r.Passed - was.Passed, Malformed: r.Malformed - was.Malformed, Full: r.Full - was.Full}
}

// Total is the sum over all reasons.
func (r Refusals) Total() uint64 {
	return r.Skew + r.Bounds + r.Forged + r.Passed + r.Malformed + r.Full
}

func (r *Refusals) add(o Refusals) {
	r.Skew += o.Skew
	r.Bounds += o.Bounds
	r.Forged += o.Forged
	r.Passed += o.Passed
	r.Malformed += o.Malformed
	r.Full += o.Full
}

// SessionCounts counts sessions by how they ended.
type SessionCounts struct {
	Equal, Merged, Unverified, Failed uint64
	Audits                            uint64
	Fetched, Unfetched                uint64 // fetches, asked for or answered, and those that came to no end
}

// Stats returns the counts.
func (r *Replica) Stats() Stats { return r.stats }
