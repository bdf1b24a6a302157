package storetest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// plain is a table without indexes: it looks at every record each time. Each
// commit is kept, so that a test can go back to any.
type plain struct {
	rows    map[place]lwwmap.Record
	commits []commit
}

type place struct {
	kind lwwmap.Kind
	key  string
}

type commit struct {
	rows  map[place]lwwmap.Record
	state lwwmap.State
}

func newPlain() *plain {
	return &plain{rows: map[place]lwwmap.Record{}, commits: []commit{{state: lwwmap.State{Context: new(crdt.Context)}}}}
}

func clone(s *lwwmap.State) lwwmap.State {
	return lwwmap.State{Context: s.Context.Clone(), Horizons: s.Horizons, Sums: s.Sums.Fork(), Counts: s.Counts, Clock: s.Clock}
}

// at returns the map as a commit left it, and forgets the later ones.
func (t *plain) at(n int) *lwwmap.Map {
	t.commits = t.commits[:n+1]
	t.rows = maps.Clone(t.commits[n].rows)
	if t.rows == nil {
		t.rows = map[place]lwwmap.Record{}
	}
	return lwwmap.Open(DigestKey, t, clone(&t.commits[n].state))
}

func (t *plain) Get(kind lwwmap.Kind, key string) lwwmap.Record { return t.rows[place{kind, key}] }

// walk calls fn for the records that want names, in the given order, until it
// returns false.
func (t *plain) walk(want func(lwwmap.Record) bool, order func(a, b lwwmap.Record) int, fn func(lwwmap.Record) bool) {
	var found []lwwmap.Record
	for _, r := range t.rows {
		if want(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b lwwmap.Record) int {
		return cmp.Or(order(a, b), cmp.Compare(a.Kind(), b.Kind()), cmp.Compare(a.Key(), b.Key()))
	})
	for _, r := range found {
		if !fn(r) {
			return
		}
	}
}

func (t *plain) Ascend(kind lwwmap.Kind, from, to string, fn func(lwwmap.Record) bool) {
	t.walk(func(r lwwmap.Record) bool {
		return r.Kind() == kind && r.Key() >= from && (to == "" || r.Key() < to)
	}, func(a, b lwwmap.Record) int { return 0 }, fn)
}

func (t *plain) Dots(s crdt.Span, fn func(lwwmap.Record) bool) {
	t.walk(func(r lwwmap.Record) bool {
		return r.Dot().Actor == s.Actor && s.Ranges.Has(r.Dot().Seq)
	}, func(a, b lwwmap.Record) int { return a.Dot().Compare(b.Dot()) }, fn)
}

func (t *plain) Expiring(fn func(lwwmap.Record) bool) {
	t.walk(func(r lwwmap.Record) bool { return r.Expires() != 0 }, by(lwwmap.Record.Expires), fn)
}

func (t *plain) OldestTombstones(fn func(lwwmap.Record) bool) {
	t.walk(lwwmap.Record.Deleted, by(lwwmap.Record.Stamp), fn)
}

func by(at func(lwwmap.Record) hlc.Timestamp) func(a, b lwwmap.Record) int {
	return func(a, b lwwmap.Record) int { return cmp.Compare(at(a), at(b)) }
}

func (t *plain) Err() error { return nil }

func (t *plain) Close() {}

func (t *plain) Find(kind lwwmap.Kind, key string) lwwmap.Place {
	return lwwmap.NewPlace(kind, key, t.Get(kind, key))
}

func (t *plain) Set(_ *lwwmap.Place, r lwwmap.Record) { t.rows[place{r.Kind(), r.Key()}] = r }

func (t *plain) Remove(p *lwwmap.Place) { delete(t.rows, place{p.Held.Kind(), p.Held.Key()}) }

func (t *plain) Fork() lwwmap.View { return &plain{rows: maps.Clone(t.rows)} }

func (t *plain) ForkKind(lwwmap.Kind) lwwmap.View { return t.Fork() }

func (t *plain) Commit(_ *lwwmap.Step, whole func() *lwwmap.State) error {
	t.commits = append(t.commits, commit{maps.Clone(t.rows), clone(whole())})
	return nil
}
