package lwwmap

import "github.com/minikv/minikv/crdt"

// Join makes m the join of m and o, key by key with [Resolve], both judged as
// they stood before. It is what a complete, verified anti-entropy session
// amounts to; o is not changed. Both must share the digest key.
func (m *Map) Join(o *Map) {
	type change struct{ was, now Record }
	var changes []change
	m.each(func(r Record) {
		other := o.get(r.Kind(), r.Key())
		if now := m.choose(r, other, o); now != r {
			changes = append(changes, change{r, now})
		}
	})
	o.each(func(r Record) {
		if m.get(r.Kind(), r.Key()).IsZero() && m.choose(Record{}, r, o) == r {
			changes = append(changes, change{Record{}, r})
		}
	})
	for _, c := range changes {
		if c.was.IsZero() {
			m.set(slot(c.now.Kind(), c.now.Key()), nil, c.now)
		} else {
			m.replace(c.was, c.now)
		}
	}
	m.context.Join(o.context)
	m.horizons.Join(&o.horizons)
}

// choose returns what remains of mine and theirs.
func (m *Map) choose(mine, theirs Record, o *Map) Record {
	kind := Data
	a, b := Side{}, Side{}
	if !mine.IsZero() {
		kind = mine.Kind()
		a.Holds, a.Held = true, mine.Item()
		b.Seen = o.context.Has(a.Held.Dot)
	}
	if !theirs.IsZero() {
		kind = theirs.Kind()
		b.Holds, b.Held = true, theirs.Item()
		a.Seen = m.context.Has(b.Held.Dot)
	}
	a.Horizon, b.Horizon = m.horizons.Of(kind), o.horizons.Of(kind)
	switch Resolve(a, b) {
	case First, Both:
		return mine
	case Second:
		return theirs
	}
	return Record{}
}

func (m *Map) each(fn func(Record)) {
	for k := Data; k < Data+kinds; k++ {
		m.Ascend(k, "", "", func(r Record) bool { fn(r); return true })
	}
}

// Settle ends a verified session: it takes out what the join dropped, unless
// the key has changed since, puts back what the join left in its place, and
// takes over the peer's context and horizons. It returns the changes made.
func (m *Map) Settle(drops []Drop, context *crdt.Context, horizons *Horizons) (done []Drop) {
	for _, d := range drops {
		if m.get(d.Was.Kind(), d.Was.Key()) != d.Was {
			continue
		}
		m.passed(d.Was)
		m.replace(d.Was, d.Now)
		done = append(done, d)
	}
	m.context.Join(context)
	m.horizons.Join(horizons)
	return done
}

// Drop is a record that a join took out, and what it left in its place, if
// anything.
type Drop struct{ Was, Now Record }

// Clone returns a map that shares nothing that changes.
func (m *Map) Clone() *Map {
	c := &Map{table: newTable(m.digestKey), context: m.context.Clone(), horizons: m.horizons}
	m.each(func(r Record) { c.set(slot(r.Kind(), r.Key()), nil, r) })
	return c
}

// Equal says whether two maps are the same state: entries, tombstones, context
// and horizons.
func (m *Map) Equal(o *Map) bool {
	if m.Root() != o.Root() || m.tombstones != o.tombstones || m.horizons != o.horizons || !m.context.Equal(o.context) {
		return false
	}
	same := true
	m.each(func(r Record) {
		other := o.get(r.Kind(), r.Key())
		same = same && !other.IsZero() && r.Hash() == other.Hash()
	})
	return same
}
