package lwwmap

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// Join makes m the join of m and o, key by key with [Resolve], both judged as
// they stood before. It is what a complete, verified anti-entropy session
// amounts to; o is not changed. Both must share the digest key.
func (m *Map) Join(o *Map) {
	type change struct{ was, now Record }
	var changes []change
	m.each(func(r Record) {
		other := o.Get(r.Kind(), r.Key())
		if now := m.choose(r, other, o); !now.Same(r) {
			changes = append(changes, change{r, now})
		}
	})
	o.each(func(r Record) {
		if m.Get(r.Kind(), r.Key()).IsZero() && m.choose(Record{}, r, o).Same(r) {
			changes = append(changes, change{Record{}, r})
		}
	})
	for _, c := range changes {
		if c.was.IsZero() {
			m.put(c.now)
		} else {
			m.replace(c.was, c.now)
		}
	}
	m.joinSeen(o.state.Context, &o.state.Horizons)
}

// joinSeen takes over what another replica has seen and forgotten.
func (m *Map) joinSeen(context *crdt.Context, horizons *Horizons) {
	if m.step != nil {
		m.step.Seen = append(m.step.Seen, context.Sub(m.state.Context)...)
	}
	m.state.Context.Join(context)
	m.state.Horizons.Join(horizons)
}

// put stores a record whose key holds nothing.
func (m *Map) put(r Record) {
	p := m.Find(r.Kind(), r.Key())
	m.set(&p, r)
}

// choose returns what remains of mine and theirs.
func (m *Map) choose(mine, theirs Record, o *Map) Record {
	kind := Data
	a, b := Side{}, Side{}
	if !mine.IsZero() {
		kind = mine.Kind()
		a.Holds, a.Held = true, mine.Item()
		b.Seen = o.state.Context.Has(a.Held.Dot)
	}
	if !theirs.IsZero() {
		kind = theirs.Kind()
		b.Holds, b.Held = true, theirs.Item()
		a.Seen = m.state.Context.Has(b.Held.Dot)
	}
	a.Horizon, b.Horizon = m.state.Horizons.Of(kind), o.state.Horizons.Of(kind)
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
		if !m.Get(d.Was.Kind(), d.Was.Key()).Same(d.Was) {
			continue
		}
		m.passed(d.Was)
		m.replace(d.Was, d.Now)
		done = append(done, d)
	}
	m.joinSeen(context, horizons)
	return done
}

// Drop is a record that a join took out, and what it left in its place, if
// anything.
type Drop struct{ Was, Now Record }

// Row is what a map holds for a key: the zero Record for nothing.
type Row struct {
	Kind Kind
	Key  string
	Now  Record
}

// CatchUp makes m hold these rows, and know what another map of the same replica knows beside them. So a map
// that was opened as it was some steps ago becomes the one that went on: rows are all that changed meanwhile.
func (m *Map) CatchUp(rows []Row, context *crdt.Context, horizons *Horizons, clock hlc.Timestamp) {
	for _, row := range rows {
		p := m.Find(row.Kind, row.Key)
		switch {
		case row.Now.Same(p.Held):
		case row.Now.IsZero():
			m.remove(&p)
		default:
			m.set(&p, row.Now)
		}
	}
	m.joinSeen(context, horizons)
	m.Observe(clock)
}

// Become makes m the map that o is, which must not be used any more. Snapshots of m stay what they are.
func (m *Map) Become(o *Map) { *m = *o }

// Clone returns a map in memory that shares nothing that changes.
func (m *Map) Clone() *Map {
	c := New(nil)
	c.digestKey = m.digestKey
	c.joinSeen(m.state.Context, &m.state.Horizons)
	m.each(c.put)
	return c
}

// Equal says whether two maps are the same state: entries, tombstones, context
// and horizons.
func (m *Map) Equal(o *Map) bool {
	if m.Root() != o.Root() || m.Tombstones() != o.Tombstones() || m.state.Horizons != o.state.Horizons || !m.state.Context.Equal(o.state.Context) {
		return false
	}
	same := true
	m.each(func(r Record) {
		other := o.Get(r.Kind(), r.Key())
		same = same && !other.IsZero() && r.Hash() == other.Hash()
	})
	return same
}
