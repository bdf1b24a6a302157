package lwwmap

import (
	"crypto/sha256"

	"github.com/minikv/minikv/crdt"
)

// Map is the state of one registry on one replica. See the package
// documentation for its invariant.
type Map struct {
	*table
	context  *crdt.Context
	horizons Horizons
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

// New returns an empty map. Replicas that compare digests must share the
// digest key, which may be of any length.
func New(digestKey []byte) *Map {
	sum := sha256.Sum256(digestKey)
	return &Map{table: newTable(Digest(sum[:len(Digest{})])), context: new(crdt.Context)}
}

// Get returns what is held for a key, which may be dead. The zero Record means
// nothing is held.
func (m *Map) Get(kind Kind, key string) Record { return m.get(kind, key) }

// Context returns the writes this replica has seen. It is the map's own and
// changes with it.
func (m *Map) Context() *crdt.Context { return m.context }

// Horizons returns the collection horizons.
func (m *Map) Horizons() Horizons { return m.horizons }

// Root is the digest of all entries that are not tombstones. Use RootAt to
// leave out those that have expired.
func (m *Map) Root() Digest { return m.sums.root }

// Len is the number of entries of a kind that are held and not tombstones.
func (m *Map) Len(kind Kind) int { return m.live[kind-Data] }

// Tombstones is the number of tombstones held.
func (m *Map) Tombstones() int { return m.tombstones }

// Bytes is the packed size of all records held.
func (m *Map) Bytes() int64 { return m.bytes }

// Write adds a write of this replica: its dot must be the next of its actor,
// its order above what is held. It returns the new record and what it
// replaced; ok is false, and nothing was written, if the order is not above.
func (m *Map) Write(e Entry) (now, was Record, ok bool) {
	at := slot(e.Kind, e.Key)
	c := m.at(at, e.Kind, e.Key)
	now = Pack(&e, m.digestKey)
	if c != nil {
		if was = c.rec; now.Compare(was) <= 0 {
			return Record{}, was, false
		}
	}
	m.context.Add(e.Dot)
	m.set(at, c, now)
	return now, was, true
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
	at := slot(e.Kind, e.Key)
	c := m.at(at, e.Kind, e.Key)
	if c != nil {
		was = c.rec
	}
	if m.context.Has(e.Dot) && !despite && (was.IsZero() || was.Dot() != e.Dot) {
		return Overtaken, was, was
	}
	now = Pack(&e, m.digestKey)
	if !was.IsZero() {
		if c := now.Compare(was); c <= 0 {
			m.context.Add(e.Dot)
			if c == 0 {
				return Known, was, was
			}
			return Lower, was, was
		}
	}
	m.context.Add(e.Dot)
	m.set(at, c, now)
	return Stored, now, was
}

// replace makes now the record of a key that holds was, even a lower one, for
// the end of a join; the zero Record takes the key out.
func (m *Map) replace(was, now Record) {
	at := slot(was.Kind(), was.Key())
	c := m.at(at, was.Kind(), was.Key())
	if now.IsZero() {
		m.remove(at, c)
		return
	}
	m.set(at, c, now)
}
