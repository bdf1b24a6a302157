package lwwmap

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// Snapshot is a map as it stood at one moment. It may be read by any number of
// goroutines while the map goes on; taking it needs the map's writer to wait.
// It takes constant time in the number of entries; afterwards the map's first
// write to each tree node copies that node.
//
// It is to be closed.
type Snapshot struct {
	View
	state     State
	digestKey Digest
}

// Snapshot takes one.
func (m *Map) Snapshot() *Snapshot {
	state := State{
		Context: m.state.Context.Clone(), Horizons: m.state.Horizons, Sums: m.state.Sums.Fork(), Counts: m.state.Counts,
	}
	return &Snapshot{View: m.rows.Fork(), state: state, digestKey: m.digestKey}
}

// Context returns the writes seen. It must not be modified.
func (s *Snapshot) Context() *crdt.Context { return s.state.Context }

// Horizons returns the collection horizons.
func (s *Snapshot) Horizons() Horizons { return s.state.Horizons }

// Len is the number of entries of a kind that are not tombstones.
func (s *Snapshot) Len(kind Kind) int { return s.state.Counts.Live[kind-Data] }

// Pack copies an entry into a record that hashes as the map's own do.
func (s *Snapshot) Pack(e *Entry) Record { return Pack(e, s.digestKey) }

// RootAt returns the digest without the entries that are dead at the given
// time.
func (s *Snapshot) RootAt(at hlc.Timestamp) Digest { return rootAt(s, &s.state.Sums, at) }

// SumsAt returns the digest tree without the entries that are dead at the
// given time. The caller owns it.
func (s *Snapshot) SumsAt(at hlc.Timestamp) HashTree {
	f := s.state.Sums
	f.gen = new(byte) // so that f copies what it writes
	expiredAt(s, at, func(r Record) { f.Sub(BucketOf(r.Kind(), r.Key()), r.Hash()) })
	return f
}

// Buckets calls fn for each record, tombstones included, of the buckets for
// which want says yes. It looks at every key: an audit is rare, an index from
// bucket to key would burden each write.
func (s *Snapshot) Buckets(want func(Bucket) bool, fn func(Bucket, Record)) {
	for k := Data; k < Data+kinds; k++ {
		s.Ascend(k, "", "", func(r Record) bool {
			if b := BucketOf(k, r.Key()); want(b) {
				fn(b, r)
			}
			return true
		})
	}
}

// rootAt is the root of sums without the entries of v that have expired.
func rootAt(v View, sums *HashTree, at hlc.Timestamp) Digest {
	root := sums.root
	expiredAt(v, at, func(r Record) { root = root.Sub(r.Hash()) })
	return root
}

// expiredAt calls fn for what is in the digest although it has expired.
func expiredAt(v View, at hlc.Timestamp, fn func(Record)) {
	v.Expiring(func(r Record) bool {
		if r.Expires() > at {
			return false
		}
		if !r.Deleted() {
			fn(r)
		}
		return true
	})
}

// Scan is the records of one kind as they stood at one moment; a Snapshot for
// readers that want nothing but keys and values. It is to be closed.
type Scan struct {
	rows View // only the order of keys of its kind
	kind Kind
}

// Scan takes one.
func (m *Map) Scan(kind Kind) *Scan { return &Scan{m.rows.ForkKind(kind), kind} }

// Ascend calls fn for each record with from <= key < to, tombstones included,
// until fn returns false. An empty to means to the end.
func (s *Scan) Ascend(from, to string, fn func(Record) bool) { s.rows.Ascend(s.kind, from, to, fn) }

// Err returns what failed in reading.
func (s *Scan) Err() error { return s.rows.Err() }

// Close gives back what the scan holds on to.
func (s *Scan) Close() { s.rows.Close() }
