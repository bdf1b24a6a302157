package lwwmap

import (
	"crypto/sha256"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// Map is the state of one registry on one replica. See the package
// documentation for its invariant.
type Map struct {
	View      // of rows, for readers
	rows      Table
	digestKey Digest
	state     State
	next      hlc.Timestamp // nothing expires before; zero: nothing does
	batching  bool          // records get their hashes, and the digest tree, behind: see Batch
	step      *Step         // what the next Commit makes permanent; nil in memory
	shares    *shares       // nil: not asked for
}

// Horizons are the collection horizons of a replica, one for each kind of
// entry: the highest order of any tombstone it has collected or expired entry
// it has reclaimed, itself or through a peer whose context it has merged.
type Horizons [kinds]Order

// Of returns the horizon for a kind.
func (h *Horizons) Of(k Kind) Order { return h[k-Data] }

// Raise lifts the horizon of a kind to at least o.
func (h *Horizons) Raise(k Kind, o Order) {
	if o.Compare(h[k-Data]) > 0 {
		h[k-Data] = o
	}
}

// Join lifts each horizon to at least that of g.
func (h *Horizons) Join(g *Horizons) {
	for i, o := range g {
		h.Raise(Kind(i)+Data, o)
	}
}

// New returns an empty map in memory. Replicas that compare digests must share
// the digest key, which may be of any length.
func New(digestKey []byte) *Map {
	m := newMap(digestKey, newMemory(), State{Context: new(crdt.Context)})
	m.step = nil
	return m
}

// Open returns the map whose records are in a table, and which is for the rest
// in the given state. It goes on with both.
func Open(digestKey []byte, t Table, s State) *Map { return newMap(digestKey, t, s) }

func newMap(digestKey []byte, t Table, s State) *Map {
	sum := sha256.Sum256(digestKey)
	m := &Map{View: t, rows: t, digestKey: Digest(sum[:len(Digest{})]), state: s, step: new(Step)}
	m.findNext()
	return m
}

// Context returns the writes this replica has seen. It is the map's own and
// changes with it.
func (m *Map) Context() *crdt.Context { return m.state.Context }

// Horizons returns the collection horizons.
func (m *Map) Horizons() Horizons { return m.state.Horizons }

// Root is the digest of all entries that are not tombstones. Use RootAt to
// leave out those that have expired.
func (m *Map) Root() Digest { return m.state.Sums.root }

// RootAt returns the digest without the entries that are dead at the given
// time.
func (m *Map) RootAt(at hlc.Timestamp) Digest {
	if m.next == 0 || m.next > at {
		return m.Root()
	}
	return rootAt(m, &m.state.Sums, at)
}

// Len is the number of entries of a kind that are held and not tombstones.
func (m *Map) Len(kind Kind) int { return m.state.Counts.Live[kind-Data] }

// Tombstones is the number of tombstones held.
func (m *Map) Tombstones() int { return m.state.Counts.Tombstones }

// Bytes is the packed size of all records held.
func (m *Map) Bytes() int64 { return m.state.Counts.Bytes }

// Find looks a key up, for a Write that may follow at once.
func (m *Map) Find(kind Kind, key string) Place { return m.rows.Find(kind, key) }

// Write adds a write of this replica: its dot must be the next of its actor,
// its order above what is held. It returns the new record and what it
// replaced; ok is false, and nothing was written, if the order is not above.
func (m *Map) Write(e Entry) (now, was Record, ok bool) {
	p := m.Find(e.Kind, e.Key)
	return m.WriteAt(&p, &e)
}

// WriteAt is Write for a key that Find has looked up; nothing must have been
// written since.
func (m *Map) WriteAt(p *Place, e *Entry) (now, was Record, ok bool) {
	now = pack(e)
	if !m.batching {
		now.seal(m.digestKey)
	}
	if was = p.Held; !was.IsZero() && now.Compare(was) <= 0 {
		return Record{}, was, false
	}
	m.saw(e.Dot)
	m.set(p, now)
	return now, was, true
}

// saw enters a dot in the context.
func (m *Map) saw(d crdt.Dot) {
	m.state.Context.Add(d)
	if m.step != nil {
		m.step.saw(d.Actor, d.Seq, d.Seq)
	}
}

// Saw enters ranges of an actor's writes in the context. For each dot in them
// the map must hold the entry or a higher one, or have seen a tombstone at least
// as high.
func (m *Map) Saw(a crdt.Actor, seqs crdt.Ranges) {
	m.state.Context.AddRanges(a, seqs)
	if m.step != nil {
		for _, r := range seqs {
			m.step.saw(a, r.Lo, r.Hi)
		}
	}
}

// set makes r the record at p, and counts it.
func (m *Map) set(p *Place, r Record) {
	m.count(p.Held, -1)
	m.rows.Set(p, r)
	m.count(r, 1)
	if !m.batching {
		m.resum(p.slot, p.Held, r)
	}
	if at := r.Expires(); at != 0 && (m.next == 0 || at < m.next) {
		m.next = at
	}
}

// remove takes out what is at p. Where a read has failed since that was found, it seems to hold nothing; the table
// says so at the next Commit.
func (m *Map) remove(p *Place) {
	if p.Held.IsZero() {
		return
	}
	m.count(p.Held, -1)
	m.rows.Remove(p)
	m.resum(p.slot, p.Held, Record{})
}

// count enters a record in the totals, or takes it out where n is -1.
func (m *Map) count(r Record, n int) {
	if r.IsZero() {
		return
	}
	m.state.Counts.Add(r, n)
	if m.shares != nil {
		m.shares.add(r, int64(n))
	}
}

// resum puts now in the place of was in the digest tree.
func (m *Map) resum(slot uint64, was, now Record) {
	delta := now.live().Sub(was.live())
	if delta.IsZero() {
		return
	}
	bucket := bucketOf(slot)
	m.state.Sums.Add(bucket, delta)
	if m.step != nil {
		m.step.Sums = append(m.step.Sums, BucketDelta{bucket, delta})
	}
}

// Observe notes how far the replica's clock has come, for the next Commit.
func (m *Map) Observe(t hlc.Timestamp) { m.state.Clock = max(m.state.Clock, t) }

// Clock returns how far the replica's clock had come, zero if that was never noted.
func (m *Map) Clock() hlc.Timestamp { return m.state.Clock }

// Commit ends a step: all changes since the last one become permanent
// together. After an error the map must be thrown away: what it holds is not
// what its table will say. In memory it does nothing.
func (m *Map) Commit() error {
	if m.step == nil {
		return nil
	}
	m.step.Horizons, m.step.Counts, m.step.Clock = m.state.Horizons, m.state.Counts, m.state.Clock
	err := m.rows.Commit(m.step, func() *State { return &m.state })
	m.step.reset()
	return err
}

// Outcome says what became of an entry that arrived.
type Outcome uint8

const (
	Stored    Outcome = iota + 1 // now held
	Known                        // already held
	Lower                        // a higher entry is held
	Overtaken                    // seen before, and the key holds something else or nothing
)

func (o Outcome) String() string {
	return [...]string{"none", "stored", "known", "lower", "overtaken"}[o]
}

// Apply adds an entry that arrived from another replica. What was seen before
// is ignored: it was overtaken here, maybe by a tombstone collected since. In
// all cases but that the context gains the entry's dot.
func (m *Map) Apply(e Entry) (o Outcome, now, was Record) {
	return m.apply(e, false)
}

// Restore is Apply for an entry that a peer sends although this replica has
// seen it, because no collection horizon covers its loss.
func (m *Map) Restore(e Entry) (o Outcome, now, was Record) {
	return m.apply(e, true)
}

func (m *Map) apply(e Entry, despite bool) (o Outcome, now, was Record) {
	p := m.Find(e.Kind, e.Key)
	was = p.Held
	if m.state.Context.Has(e.Dot) && !despite && (was.IsZero() || was.Dot() != e.Dot) {
		return Overtaken, was, was
	}
	now = Pack(&e, m.digestKey)
	m.saw(e.Dot)
	if !was.IsZero() {
		switch c := now.Compare(was); {
		case c == 0:
			return Known, was, was
		case c < 0:
			return Lower, was, was
		}
	}
	m.set(&p, now)
	return Stored, now, was
}

// replace makes now the record of a key that holds was, even a lower one, for
// the end of a join; the zero Record takes the key out.
func (m *Map) replace(was, now Record) {
	p := m.Find(was.Kind(), was.Key())
	if now.IsZero() {
		m.remove(&p)
		return
	}
	m.set(&p, now)
}
