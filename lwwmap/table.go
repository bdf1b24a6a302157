package lwwmap

import "github.com/minikv/minikv/crdt"

// Table keeps the records of a [Map] with their indexes: by key, in the order
// of keys, by dot, and by time for what expires or is a tombstone. It knows
// nothing of joins. The map's own is in memory; another one is given to [Open].
//
// A table has one writer, who may read meanwhile; when nobody writes, any
// number may read. What fails in a table that can fail is kept by it, answered
// with "nothing held", and returned by every Commit from then on.
type Table interface {
	View
	// Find looks a key up, for a write that may follow at once.
	Find(kind Kind, key string) Place
	// Set makes r the record of its key, which is at p.
	Set(p *Place, r Record)
	// Remove takes out what is at p, which holds something.
	Remove(p *Place)
	// Fork returns the table as it stands. It may be read while the table
	// changes, and is to be closed.
	Fork() View
	// ForkKind is Fork for reading one kind in the order of its keys.
	ForkKind(Kind) View
	// Commit ends a step: what was set, removed and seen since the last one
	// becomes permanent as a whole or not at all. whole returns all that the
	// map knows beyond its records, as the step leaves it.
	Commit(s *Step, whole func() *State) error
}

// View is what can be read of a table.
type View interface {
	// Get returns what is held for a key, the zero Record for nothing.
	Get(kind Kind, key string) Record
	// Ascend calls fn for each record of a kind with from <= key < to, in the
	// order of keys and tombstones included, until fn returns false. An empty to
	// means to the end.
	Ascend(kind Kind, from, to string, fn func(Record) bool)
	// Dots calls fn for each record held under a dot of the span, in ascending
	// order, until fn returns false.
	Dots(span crdt.Span, fn func(Record) bool)
	// Expiring calls fn for each record that expires, the earliest first, until
	// fn returns false.
	Expiring(fn func(Record) bool)
	// OldestTombstones calls fn for each tombstone, the earliest stamp first,
	// until fn returns false.
	OldestTombstones(fn func(Record) bool)
	// Err returns the first failure of a read, after which "nothing" means nothing.
	Err() error
	// Close gives back what the view holds on to. It is not to be read any more.
	Close()
}

// Place is where a table keeps a key, and what it holds there.
type Place struct {
	Held Record // zero: nothing
	kind Kind
	key  string
	slot uint64
	// Of the table in memory:
	cell  *cell
	taken bool // another key has the slot
}

// NewPlace returns the place of a key that holds a record or, if it is zero,
// nothing.
func NewPlace(kind Kind, key string, held Record) Place {
	return Place{Held: held, kind: kind, key: key, slot: slot(kind, key)}
}
