package replica

import (
	"cmp"
	"slices"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// Sizes of gossip.
const (
	// MaxDelta is the size in bytes of entries that end a delta. Well below the
	// transport's limit of 1 MiB; throughput is flat from 64 KiB on.
	MaxDelta = 64 << 10
	// MaxGossipValue is the longest value in bytes that is flooded. A longer one
	// is announced, and fetched by session, so that flooding does not multiply it.
	MaxGossipValue = 16 << 10
	// maxCovered bounds the seqs that deltas cover beyond their entries, in ranges.
	maxCovered = 2 << 10
	// maxRanges is how many ranges end a delta. What one more entry covers comes
	// on top; the sum is what can be decoded.
	maxRanges = maxArray/2 - maxCovered
)

// Delta is a gossip message: the current entry of each key that its actor
// wrote in some seqs. Whoever stores all of Entries has then seen all of Seqs.
type Delta struct {
	Actor     crdt.Actor
	Seqs      crdt.Ranges
	Announced crdt.Ranges // seqs written whose values are too long to flood
	Entries   []lwwmap.Entry
}

// outbox knows which own writes gossip has not sent yet: all above a cursor.
// Its memory does not grow with the number of writes to a key.
type outbox struct {
	actor  crdt.Actor
	cursor uint64 // all seqs up to here were sent or given up
	last   uint64
	// covers holds, for an unsent write, earlier unsent writes to the same key.
	covers  map[uint64]crdt.Ranges
	covered int
	sent    int // bytes of entries in deltas, since takeSent
	// foreign holds keys whose unsent own writes were overtaken by another's.
	foreign map[foreignKey]overtaken
}

// overtaken is own writes to a key of which another's entry took the place.
type overtaken struct {
	seqs  crdt.Ranges
	order lwwmap.Order // of the highest
}

type foreignKey struct {
	kind lwwmap.Kind
	key  string
}

// wrote notes a write of this replica.
func (o *outbox) wrote(now, was lwwmap.Record) {
	seq := now.Dot().Seq
	o.last = seq
	if was.IsZero() {
		return
	}
	if dot := was.Dot(); dot.Actor == o.actor {
		if dot.Seq > o.cursor {
			o.cover(seq, o.take(dot.Seq).Add(dot.Seq, dot.Seq))
		}
		return
	}
	if len(o.foreign) == 0 {
		return
	}
	k := foreignKey{was.Kind(), was.Key()}
	if f, ok := o.foreign[k]; ok {
		delete(o.foreign, k)
		o.covered -= len(f.seqs)
		if now.Order().Compare(f.order) > 0 {
			o.cover(seq, f.seqs)
		}
	}
}

// overtook notes that another's entry replaced an own one.
func (o *outbox) overtook(was lwwmap.Record) {
	dot := was.Dot()
	if dot.Actor != o.actor || dot.Seq <= o.cursor {
		return
	}
	seqs := o.take(dot.Seq).Add(dot.Seq, dot.Seq)
	if o.covered+len(seqs) > maxCovered {
		return
	}
	if o.foreign == nil {
		o.foreign = map[foreignKey]overtaken{}
	}
	k, f := foreignKey{was.Kind(), was.Key()}, overtaken{seqs, was.Order()}
	o.covered -= len(o.foreign[k].seqs)
	o.foreign[k] = f
	o.covered += len(f.seqs)
}

// lost notes that an own entry went without a successor: others learn of its
// dot by session.
func (o *outbox) lost(was lwwmap.Record) {
	if dot := was.Dot(); dot.Actor == o.actor && dot.Seq > o.cursor {
		o.take(dot.Seq)
	}
}

// cover keeps what seq covers, within bounds: beyond them the dots stay out of
// deltas, and sessions settle them.
func (o *outbox) cover(seq uint64, seqs crdt.Ranges) {
	if o.covered+len(seqs) > maxCovered {
		return
	}
	if o.covers == nil {
		o.covers = map[uint64]crdt.Ranges{}
	}
	o.covers[seq] = seqs
	o.covered += len(seqs)
}

func (o *outbox) take(seq uint64) crdt.Ranges {
	seqs, ok := o.covers[seq]
	if ok {
		delete(o.covers, seq)
		o.covered -= len(seqs)
	}
	return seqs
}

// Pending says whether Outbox has something to send.
func (r *Replica) Pending() bool { return r.out.cursor < r.out.last }

// Outbox returns the next delta to flood, or nil. It counts as sent: if it gets
// lost, sessions make up for it. Key and Value of the entries are shared with
// the replica and must not be modified.
func (r *Replica) Outbox() *Delta {
	o := &r.out
	if o.cursor >= o.last {
		return nil
	}
	d, size, end := &Delta{Actor: o.actor}, 0, o.last
	unsent := crdt.Span{Actor: o.actor, Ranges: crdt.Ranges{{Lo: o.cursor + 1, Hi: o.last}}}
	r.m.Dots(unsent, func(rec lwwmap.Record) bool {
		seq := rec.Dot().Seq
		if size >= MaxDelta || len(d.Seqs)+len(d.Announced) >= maxRanges {
			end = seq - 1
			return false
		}
		seqs := o.take(seq).Add(seq, seq)
		if len(rec.Value()) > MaxGossipValue {
			d.Announced = d.Announced.Union(seqs)
			return true
		}
		d.Seqs = join(d.Seqs, seqs)
		d.Entries = append(d.Entries, rec.Entry())
		size += rec.Size()
		return true
	})
	for _, k := range o.settledForeign(end) {
		f := o.foreign[k]
		delete(o.foreign, k)
		o.covered -= len(f.seqs)
		// What overtook may have expired since, and a lower entry have come.
		rec := r.m.Get(k.kind, k.key)
		if !rec.IsZero() && rec.Order().Compare(f.order) > 0 && len(rec.Value()) <= MaxGossipValue && size < 2*MaxDelta && len(d.Seqs)+len(f.seqs) < maxArray/2 {
			d.Seqs = join(d.Seqs, f.seqs)
			d.Entries = append(d.Entries, rec.Entry())
			size += rec.Size()
		}
	}
	o.sent += size
	if o.cursor = end; end == o.last {
		r.Skip() // forgets what entries that are gone had covered
	}
	if len(d.Entries) == 0 && len(d.Announced) == 0 {
		return nil
	}
	r.stats.Sent++
	return d
}

// takeSent returns how many bytes deltas have carried since it was last asked.
func (o *outbox) takeSent() (bytes int) {
	bytes, o.sent = o.sent, 0
	return bytes
}

// settledForeign returns the foreign keys whose seqs all lie up to end, in an
// order that is the same in every run.
func (o *outbox) settledForeign(end uint64) (keys []foreignKey) {
	for k, f := range o.foreign {
		if f.seqs.Max() <= end {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b foreignKey) int { return cmp.Compare(o.foreign[a].seqs.Max(), o.foreign[b].seqs.Max()) })
	return keys
}

// join is Union, without a copy where seqs only lengthens the last range.
func join(to, seqs crdt.Ranges) crdt.Ranges {
	if len(seqs) == 1 {
		return to.Add(seqs[0].Lo, seqs[0].Hi)
	}
	return to.Union(seqs)
}

// Skip gives up everything unsent, for when nobody is there to hear it: a
// session with whoever comes will tell.
func (r *Replica) Skip() {
	r.out.cursor, r.out.covered = r.out.last, 0
	r.out.covers, r.out.foreign = nil, nil
}
