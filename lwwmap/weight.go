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

// shares is what the records of each owner weigh, of those that came since they were first asked for.
type shares struct {
	owner   func(crdt.Actor) string
	held    map[string]int64
	orphans map[crdt.Actor]int64 // of actors whose owner is not known; together held[""]
	last    crdt.Actor           // whose owner is known
	whose   string
}

// TrackShares has the map tell from now on what the records weigh that belong to each owner. owner says to whom an actor
// belongs, "" as long as its origin has not come; it may read the map.
func (m *Map) TrackShares(owner func(crdt.Actor) string) {
	m.shares = &shares{owner: owner, held: map[string]int64{}, orphans: map[crdt.Actor]int64{}}
}

// Share is what the records of an owner weigh, of those that came since TrackShares; of "", those that are nobody's yet.
func (m *Map) Share(owner string) int64 { return m.shares.held[owner] }

// add counts a record n times.
func (s *shares) add(r Record, n int64) {
	a := r.Dot().Actor
	if a != s.last || s.whose == "" {
		s.last, s.whose = a, s.owner(a)
		s.adopt(a)
	}
	s.grow(s.whose, n*r.Weight())
	if s.whose == "" {
		if s.orphans[a] += n * r.Weight(); s.orphans[a] <= 0 {
			delete(s.orphans, a)
		}
	}
}

// adopt gives an owner what was counted of an actor before it was known whose that is.
func (s *shares) adopt(a crdt.Actor) {
	if was, ok := s.orphans[a]; ok && s.whose != "" {
		delete(s.orphans, a)
		s.grow("", -was)
		s.grow(s.whose, was)
	}
}

// grow adds to what an owner holds. It may come to less than nothing, as records from before TrackShares go.
func (s *shares) grow(owner string, by int64) {
	if s.held[owner] += by; s.held[owner] <= 0 {
		delete(s.held, owner)
	}
}
