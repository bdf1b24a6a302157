package lwwmap

import "github.com/minikv/minikv/crdt"

// EntryCost is what an entry weighs beyond its packed size, in bytes: about what the indexes in memory take for it.
const EntryCost = 140

// Weight is about what all records and their indexes take in memory, in bytes.
func (m *Map) Weight() int64 {
	n := m.state.Counts.Tombstones
	for _, live := range m.state.Counts.Live {
		n += live
	}
	return m.state.Counts.Bytes + int64(n)*EntryCost
}

// DataWeight is the part of it that is not leases and origins. Only after TrackShares.
func (m *Map) DataWeight() int64 { return m.Weight() - m.shares.meta }

// Weight is what a record adds to the weight of its map; none weighs nothing.
func (r Record) Weight() int64 {
	if r.IsZero() {
		return 0
	}
	return int64(r.Size()) + EntryCost
}

// Weight is what the entry's record would weigh.
func (e *Entry) Weight() int64 {
	_, _, size := e.form()
	return int64(size) + EntryCost
}

// shares is what the records of each owner weigh: leases and origins apart from data, and of that what came since shares were
// first asked for.
type shares struct {
	owner   func(crdt.Actor) string
	held    map[account]int64
	orphans map[orphan]int64 // of actors whose owner is not known
	meta    int64            // leases and origins of all
	last    crdt.Actor       // whose owner is known
	whose   string
}

type account struct {
	owner string
	meta  bool
}

type orphan struct {
	actor crdt.Actor
	meta  bool
}

// TrackShares has the map tell from now on what the records weigh that belong to each owner. owner says to whom an actor
// belongs, "" as long as its origin has not come; it may read the map.
func (m *Map) TrackShares(owner func(crdt.Actor) string) {
	m.shares = &shares{owner: owner, held: map[account]int64{}, orphans: map[orphan]int64{}}
	for _, kind := range []Kind{Origin, Lease} {
		m.Ascend(kind, "", "", func(r Record) bool {
			m.shares.add(r, 1)
			return true
		})
	}
}

// Share is what the records of an owner weigh that share the room with those of a kind; of "", those that are nobody's yet. Of
// data it is what came since TrackShares, less what has gone.
func (m *Map) Share(kind Kind, owner string) int64 {
	return m.shares.held[account{owner, kind != Data}]
}

// add counts a record n times.
func (s *shares) add(r Record, n int64) {
	a, meta, weight := r.Dot().Actor, r.Kind() != Data, n*r.Weight()
	if meta {
		s.meta += weight
	}
	if a != s.last || s.whose == "" {
		if s.last, s.whose = a, s.owner(a); s.whose != "" {
			s.adopt(orphan{a, false})
			s.adopt(orphan{a, true})
		}
	}
	grow(s.held, account{s.whose, meta}, weight)
	if s.whose == "" {
		grow(s.orphans, orphan{a, meta}, weight)
	}
}

// adopt gives the owner what was counted of an actor before it was known whose that is.
func (s *shares) adopt(o orphan) {
	was := s.orphans[o]
	delete(s.orphans, o)
	grow(s.held, account{"", o.meta}, -was)
	grow(s.held, account{s.whose, o.meta}, was)
}

// grow adds to a balance. It may come to less than nothing, as records go that were not counted when they came.
func grow[K comparable](of map[K]int64, k K, by int64) {
	if now := of[k] + by; now > 0 {
		of[k] = now
	} else {
		delete(of, k)
	}
}
