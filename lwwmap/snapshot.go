package lwwmap

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// Snapshot is a map as it stood at one moment. It may be read by any number of
// goroutines while the map goes on; taking it needs the map's writer to wait.
// It takes constant time in the number of entries; afterwards the map's first
// write to each tree node copies that node.
type Snapshot struct {
	index
	context   *crdt.Context
	horizons  Horizons
	digestKey Digest
	live      [kinds]int
}

// Snapshot takes one.
func (m *Map) Snapshot() *Snapshot {
	return &Snapshot{index: m.fork(), context: m.context.Clone(), horizons: m.horizons, digestKey: m.digestKey, live: m.live}
}

// Get returns what was held for a key.
func (s *Snapshot) Get(kind Kind, key string) Record { return s.lookup(kind, key) }

// Context returns the writes seen. It must not be modified.
func (s *Snapshot) Context() *crdt.Context { return s.context }

// Horizons returns the collection horizons.
func (s *Snapshot) Horizons() Horizons { return s.horizons }

// Len is the number of entries of a kind that are not tombstones.
func (s *Snapshot) Len(kind Kind) int { return s.live[kind-Data] }

// Pack copies an entry into a record that hashes as the map's own do.
func (s *Snapshot) Pack(e *Entry) Record { return Pack(e, s.digestKey) }

// SumsAt returns the digest tree without the entries that are dead at the
// given time. The caller owns it.
func (s *Snapshot) SumsAt(at hlc.Timestamp) HashTree {
	f := s.sums
	f.gen = new(byte) // so that f copies what it writes
	s.expiredAt(at, func(r Record) { f.Sub(BucketOf(r.Kind(), r.Key()), r.Hash()) })
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

// Scan is the records of one kind as they stood at one moment; a Snapshot for
// readers that want nothing but keys and values.
type Scan struct {
	records index // only the order of keys of its kind
	kind    Kind
}

// Scan takes one.
func (m *Map) Scan(kind Kind) *Scan {
	return &Scan{m.forkKind(kind), kind}
}

// Ascend calls fn for each record with from <= key < to, tombstones included,
// until fn returns false. An empty to means to the end.
func (s *Scan) Ascend(from, to string, fn func(Record) bool) { s.records.Ascend(s.kind, from, to, fn) }
