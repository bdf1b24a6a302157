package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Receipt says what became of a delta.
type Receipt struct {
	Stored  int   // entries that are now held
	Refused error // why an entry was refused, if one was; the others were taken
}

// Receive takes in a delta written by the peer from, heard through the
// neighbour via. A delta with a Refused entry must not be relayed: the network
// then offers the entry again by session, until it is acceptable.
func (r *Replica) Receive(at Instant, from, via string, d *Delta) (rcpt Receipt) {
	r.stats.Received++
	if err := r.checkAuthor(d, from); err != nil {
		r.stats.Refused.Forged++
		return Receipt{Refused: err}
	}
	if d.Actor == r.actor {
		return Receipt{Refused: r.receiveOwn(at, d)}
	}
	fresh := r.isNew(d.Actor)
	if fresh && r.newcomers.full(from, at) {
		r.stats.Refused.Bounds++
		return Receipt{Refused: errNewcomer} // no EntryError: who passed it on may have heard less of its author
	}
	news := 0
	for i := range d.Entries {
		e := &d.Entries[i]
		forged := r.stats.Refused.Forged
		outcome, err := r.apply(at, from, *e, false)
		if err != nil {
			if e.Dot.Actor != d.Actor && r.stats.Refused.Forged > forged { // it overtook a write of the author's, who cannot know
				r.stats.Refused.Forged--
				r.stats.Refused.Passed++
			}
			rcpt.Refused = err
			continue
		}
		if outcome == lwwmap.Stored {
			rcpt.Stored++
			news += entryOverhead + len(e.Key) + len(e.Value)
		}
	}
	r.peers.load.add(news, at)
	if !errors.Is(rcpt.Refused, ErrFull) { // else what is missing is not to be asked for
		r.noteSeqs(at, from, via, d, rcpt.Refused == nil)
	}
	if fresh && !r.isNew(d.Actor) {
		r.newcomers.add(from, at)
	}
	return rcpt
}

// entryOverhead is about what an entry takes in a message beyond key and value.
const entryOverhead = 32

// noteSeqs takes over which writes a delta says it covers. A range is seen only
// if each of its entries was stored or rightly ignored, and only on the word of
// who is known to write as the actor: else a stranger could make writes that he
// never saw look seen.
func (r *Replica) noteSeqs(at Instant, from, via string, d *Delta, whole bool) {
	upTo := d.Announced.Max()
	switch {
	case !rangeSeen(whole):
	case r.Writer(d.Actor) == from && r.sawAll(d.Actor, d.Seqs):
	default: // its first write, which says who it is, got lost; or there is no room
		upTo = max(upTo, d.Seqs.Max())
	}
	if has := r.m.Context().Of(d.Actor); upTo > 0 || hasGap(has) {
		r.peers.missed(d.Actor, has, upTo, via, len(d.Announced) > 0 && r.peers.find(from) != nil, at)
	}
}

// receiveOwn looks at a delta under this replica's own actor: an echo, or the
// word of a copy of this process.
func (r *Replica) receiveOwn(at Instant, d *Delta) error {
	return r.checkFork(at, max(d.Seqs.Max(), d.Announced.Max()))
}

// checkAuthor refuses a delta under an actor that is known to be another peer,
// and one that says so of someone else's actor: nobody but the writer itself
// floods where an actor comes from.
func (r *Replica) checkAuthor(d *Delta, from string) error {
	if writer := r.Writer(d.Actor); writer != "" && writer != from {
		return &ForgedError{Actor: d.Actor, Writer: writer, From: from}
	}
	for i := range d.Entries {
		if e := &d.Entries[i]; e.Kind == lwwmap.Origin && (e.Dot.Actor != d.Actor || OriginPeer(e.Value) != from) {
			return &ForgedError{Actor: e.Dot.Actor, Writer: OriginPeer(e.Value), From: from}
		}
	}
	return nil
}

func hasGap(seqs crdt.Ranges) bool {
	return len(seqs) > 1 || (len(seqs) == 1 && seqs[0].Lo != 1)
}

// apply takes in one entry that a peer sent. despite says that the sender knows
// that this replica has seen the entry, and sends it because no horizon covers
// its loss.
func (r *Replica) apply(at Instant, from string, e lwwmap.Entry, despite bool) (lwwmap.Outcome, error) {
	if err := r.checkEntry(at, &e); err != nil {
		return 0, err
	}
	if err := r.checkOwn(at, from, &e); err != nil {
		return 0, err
	}
	if err := r.checkRoom(&e, despite); err != nil {
		return 0, err
	}
	if err := r.makeRoom(&e); err != nil {
		return 0, err
	}
	if err := r.cfg.Clock.Observe(e.Stamp, at.Wall); err != nil {
		return 0, err
	}
	late := r.isLate(&e)
	take := r.m.Apply
	if despite {
		take = r.m.Restore
	}
	outcome, now, was := take(e)
	switch outcome {
	case lwwmap.Stored:
		r.stored(at, now, was, late, despite)
	case lwwmap.Lower:
		r.rival(at, &e, was)
	}
	return outcome, nil
}

func (r *Replica) stored(at Instant, now, was lwwmap.Record, late, despite bool) {
	r.stats.Merged++
	if late {
		r.stats.Late++
	}
	if despite {
		r.stats.Restored++
	}
	if !was.IsZero() {
		r.out.overtook(was)
	}
	r.changed(at, Change{Now: now, Was: was})
}

// isLate says whether an entry for a key that holds nothing lies below the
// collection horizon: a write made without having seen a delete that is
// forgotten by now. It is kept, on all nodes alike.
func (r *Replica) isLate(e *lwwmap.Entry) bool {
	horizons := r.m.Horizons()
	h := horizons.Of(e.Kind)
	return !h.IsZero() && e.Order().Compare(h) <= 0 && r.m.Get(e.Kind, e.Key).IsZero()
}

// checkEntry refuses what no honest replica with the same limits writes.
func (r *Replica) checkEntry(at Instant, e *lwwmap.Entry) error {
	if err := r.checkOrder(at, e.Order()); err != nil {
		r.stats.Refused.Skew++
		return err
	}
	if len(e.Key) == 0 || (e.Kind != lwwmap.Origin && len(e.Key) > r.cfg.MaxKey) || len(e.Value) > r.maxValue(e.Kind) {
		r.stats.Refused.Bounds++
		return &EntryError{Entry: e.Dot, Why: "key or value over this node's limits"}
	}
	switch e.Kind {
	case lwwmap.Data:
		if e.Base > e.Stamp {
			r.stats.Refused.Malformed++
			return &EntryError{Entry: e.Dot, Why: "its base is later than its stamp"}
		}
	case lwwmap.Lease:
		if _, err := decodeLease(e); err != nil {
			r.stats.Refused.Malformed++
			return &EntryError{Entry: e.Dot, Why: err.Error()}
		}
	case lwwmap.Origin:
		if !isOrigin(e) {
			r.stats.Refused.Forged++
			return &EntryError{Entry: e.Dot, Why: "not what an actor writes first"}
		}
	}
	return nil
}

// checkOrder holds all that ranks an entry or a collection horizon to a bound
// in time: one whose stamp or whose fence's epoch lies in the far future would
// win for ever.
func (r *Replica) checkOrder(at Instant, o lwwmap.Order) error {
	if err := r.cfg.Clock.Check(o.Stamp, at.Wall); err != nil {
		return err
	}
	latest := lastEpoch(at)
	if o.Fence.IsBare() {
		latest++ // what the highest lease leaves behind when it is forgotten
	}
	if o.Fence.Epoch() > latest {
		return fmt.Errorf("%w: the epoch of lease %s lies in the future", ErrBounds, o.Fence)
	}
	return nil
}

// epochLead is how far the epoch of a lease may lie ahead of a node's clock.
const epochLead = 48 * time.Hour

// lastEpoch is the highest epoch of a lease that replicas take now.
func lastEpoch(at Instant) uint64 { return epochBase(hlc.FromTime(at.Wall).Add(epochLead)) }

func (r *Replica) maxValue(k lwwmap.Kind) int {
	if k == lwwmap.Data {
		return r.cfg.MaxValue
	}
	return maxMetaValue
}

// maxMetaValue bounds lease and origin records, in bytes.
const maxMetaValue = 4 << 10
