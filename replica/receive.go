package replica

import (
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
	if d.Actor == r.actor {
		return Receipt{Refused: r.receiveOwn(at, d)}
	}
	if err := r.checkAuthor(d, from); err != nil {
		r.stats.Refused.Forged++
		return Receipt{Refused: err}
	}
	for i := range d.Entries {
		outcome, err := r.apply(at, d.Entries[i], false)
		if err != nil {
			rcpt.Refused = err
			continue
		}
		if outcome == lwwmap.Stored {
			rcpt.Stored++
		}
	}
	// A range is seen only if each of its entries was stored or rightly ignored.
	if rcpt.Refused == nil {
		r.m.Context().AddRanges(d.Actor, d.Seqs)
	}
	if len(d.Announced) > 0 || hasGap(r.m.Context().Of(d.Actor)) {
		r.peers.missed(d.Actor, d.Announced.Max(), via, at)
	}
	return rcpt
}

// receiveOwn looks at a delta under this replica's own actor: an echo, or the
// word of a copy of this process.
func (r *Replica) receiveOwn(at Instant, d *Delta) error {
	seen := new(crdt.Context)
	seen.AddRanges(d.Actor, d.Seqs.Union(d.Announced))
	return r.checkFork(at, seen)
}

// checkAuthor refuses a delta under an actor that is known to be another peer.
func (r *Replica) checkAuthor(d *Delta, from string) error {
	if writer := r.Writer(d.Actor); writer != "" && writer != from {
		return &ForgedError{Actor: d.Actor, Writer: writer, From: from}
	}
	for i := range d.Entries {
		if e := &d.Entries[i]; e.Kind == lwwmap.Origin && e.Dot.Actor == d.Actor && string(e.Value) != from {
			return &ForgedError{Actor: d.Actor, Writer: string(e.Value), From: from}
		}
	}
	return nil
}

func hasGap(seqs crdt.Ranges) bool {
	return len(seqs) > 1 || (len(seqs) == 1 && seqs[0].Lo != 1)
}

// apply takes in one entry from outside. despite says that the sender knows
// that this replica has seen the entry, and sends it because no horizon covers
// its loss.
func (r *Replica) apply(at Instant, e lwwmap.Entry, despite bool) (lwwmap.Outcome, error) {
	if err := r.checkEntry(at, &e); err != nil {
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
	if err := r.cfg.Clock.Observe(e.Stamp, at.Wall); err != nil {
		r.stats.Refused.Skew++
		return err
	}
	if err := r.checkBase(at, e); err != nil {
		r.stats.Refused.Skew++
		return err
	}
	if len(e.Key) == 0 || len(e.Key) > r.cfg.MaxKey || len(e.Value) > r.maxValue(e.Kind) {
		r.stats.Refused.Bounds++
		return &EntryError{Entry: e.Dot, Why: "key or value over this node's limits"}
	}
	if e.Kind == lwwmap.Origin && e.Key != originKey(e.Dot.Actor) {
		r.stats.Refused.Forged++
		return &EntryError{Entry: e.Dot, Why: "names another actor's origin"}
	}
	if e.Kind == lwwmap.Lease {
		if _, err := decodeLease(e); err != nil {
			r.stats.Refused.Malformed++
			return &EntryError{Entry: e.Dot, Why: err.Error()}
		}
	}
	return nil
}

// checkBase holds what ranks above the stamp to a bound in time as well: an
// entry whose base or whose fence's epoch lies in the far future would win for
// ever.
func (r *Replica) checkBase(at Instant, e *lwwmap.Entry) error {
	if e.Kind == lwwmap.Data && e.Base != 0 {
		if err := r.cfg.Clock.Check(e.Base, at.Wall); err != nil {
			return err
		}
	}
	if latest := epochBase(hlc.FromTime(at.Wall).Add(epochLead)); e.Fence.Epoch() > latest {
		return &EntryError{Entry: e.Dot, Why: "its lease's epoch lies in the future"}
	}
	return nil
}

// epochLead is how far the epoch of a lease may lie ahead of a node's clock.
const epochLead = 48 * time.Hour

func (r *Replica) maxValue(k lwwmap.Kind) int {
	if k == lwwmap.Data {
		return r.cfg.MaxValue
	}
	return maxMetaValue
}

// maxMetaValue bounds lease and origin records, in bytes.
const maxMetaValue = 4 << 10
