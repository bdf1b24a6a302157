package store

import (
	"strconv"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/lwwmap"
)

// openTable opens the table of a registry, with the state as its last commit
// left it.
func (s *Store) openTable(n number) (*table, lwwmap.State, error) {
	t := &table{view: view{s: s, number: n}, unsynced: new(unsynced)}
	t.view.reader = t.reading
	t.view.mayHave = t.filter.mayHave
	t.hot.share = &s.hot
	s.hot.tables.Add(1)
	t.backlog.limit = s.unsent
	t.backlog.spill = spill{fs: s.fs, path: s.fs.PathJoin(s.dir, spillName+strconv.Itoa(int(n))), max: spillBytes}
	state, err := t.loadState(s.db)
	if err == nil {
		err = t.loadFilter(t.commits == 0)
	}
	t.horizons = state.Horizons
	return t, state, err
}

// loadFilter takes the filter that a clean end left, or begins to build one.
func (t *table) loadFilter(fresh bool) error {
	if fresh {
		t.filter.ready.Store(newFilter())
		return nil
	}
	prefix := appendPrefix(nil, t.number, classFilter)
	var loader filterLoader
	err := t.s.rows(t.s.db, prefix, after(prefix), func(_, v []byte) error {
		loader.row(v)
		return nil
	})
	if err != nil {
		return err
	}
	if f := loader.filter(); f != nil {
		t.filter.ready.Store(f)
		t.kept = true
		return nil
	}
	t.filter.next = newFilter()
	v := &view{s: t.s, number: t.number}
	v.take()
	t.s.building.Go(func() { t.buildFilter(v) })
	return nil
}

// buildFilter reads all keys as they were at opening, a page at a time: what goes
// meanwhile may be in a fork. Until it is done each new key is looked for on disk.
func (t *table) buildFilter(v *view) {
	defer v.Close()
	from := appendPrefix(nil, t.number, classEntry)
	for to := after(from); from != nil; {
		var page []place
		var next []byte
		err := t.s.use(func() error {
			it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
			if err != nil {
				return err
			}
			for ok := it.First(); ok; ok = it.Next() {
				if len(page) == 4*pageLen {
					next = append([]byte(nil), it.Key()...)
					break
				}
				kind, key, _ := splitKind(it.Key()[prefixLen:])
				page = append(page, place{kind, key})
			}
			return it.Close()
		})
		if err != nil {
			return // the store is closed or damaged; the table does without
		}
		t.filter.build(page)
		from = next
	}
	t.filter.built()
}

// keepFilter writes the filter, at a clean end. A small one is sooner built anew.
func (t *table) keepFilter() error {
	f := t.filter.ready.Load()
	if f == nil || t.kept || f.isSmall() {
		return nil
	}
	b, part := t.s.db.NewBatch(), uint32(0)
	prefix := appendPrefix(nil, t.number, classFilter)
	err := f.rows(func(row []byte) error {
		part++
		return b.Set(append(prefix[:prefixLen:prefixLen], byte(part>>24), byte(part>>16), byte(part>>8), byte(part)), row, nil)
	})
	if err != nil {
		return err
	}
	return b.Commit(pebble.NoSync)
}
