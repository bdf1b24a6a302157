package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// table is the table of one registry on disk. Between two commits its changes
// gather in a batch of the engine.
type table struct {
	view
	batch   *pebble.Batch           // nil: nothing set or removed since the last commit
	indexed *pebble.Batch           // the same, once something had to be read in order meanwhile
	pending map[place]lwwmap.Record // the same by key; the zero record: removed
	key     []byte                  // room to build keys in

	commits  uint64              // number of the last journal row
	folded   uint64              // number of the last one in the checkpoint
	unfolded int                 // changes to the digest tree since the checkpoint
	dirty    [lwwmap.Fanout]bool // parts of the digest tree changed since
	horizons lwwmap.Horizons     // as last committed
	row      []byte              // room to build rows in
}

type place struct {
	kind lwwmap.Kind
	key  string
}

// foldAfter is how many changes to the digest tree may lie in the journal: so
// many does opening have to read at most, 10 ms or so.
const foldAfter = 64 << 10

func (t *table) reading() pebble.Reader {
	switch {
	case t.batch == nil:
		return t.s.db
	case t.indexed == nil:
		t.indexed = t.s.db.NewIndexedBatch()
		if err := t.indexed.Apply(t.batch, nil); err != nil {
			t.fail(err)
		}
		_ = t.batch.Close() // it has not failed
		t.batch = t.indexed
	}
	return t.indexed
}

// Get implements [lwwmap.View].
func (t *table) Get(kind lwwmap.Kind, key string) (rec lwwmap.Record) {
	if len(t.pending) > 0 {
		if rec, ok := t.pending[place{kind, key}]; ok {
			return rec
		}
	}
	err := t.s.use(func() (err error) {
		rec, err = t.read(t.s.db, kind, key)
		return err
	})
	if err != nil {
		t.fail(err)
	}
	return rec
}

// Find implements [lwwmap.Table].
func (t *table) Find(kind lwwmap.Kind, key string) lwwmap.Place {
	return lwwmap.NewPlace(kind, key, t.Get(kind, key))
}

// Set implements [lwwmap.Table].
func (t *table) Set(p *lwwmap.Place, r lwwmap.Record) {
	t.change(place{r.Kind(), r.Key()}, r, func(b *pebble.Batch) {
		if !p.Held.IsZero() {
			t.unindex(b, p.Held)
		}
		t.key = appendEntryKey(t.key[:0], t.number, r.Kind(), r.Key())
		t.check(b.Set(t.key, r.Packed(), nil))
		t.index(b, r)
	})
}

// Remove implements [lwwmap.Table].
func (t *table) Remove(p *lwwmap.Place) {
	t.change(place{p.Held.Kind(), p.Held.Key()}, lwwmap.Record{}, func(b *pebble.Batch) {
		t.unindex(b, p.Held)
		t.key = appendEntryKey(t.key[:0], t.number, p.Held.Kind(), p.Held.Key())
		t.check(b.Delete(t.key, nil))
	})
}

// change adds to the step that now is what a place holds.
func (t *table) change(p place, now lwwmap.Record, fn func(*pebble.Batch)) {
	err := t.s.use(func() error {
		if t.batch == nil {
			t.batch = t.s.db.NewBatch()
		}
		fn(t.batch)
		return nil
	})
	if err != nil {
		t.fail(err)
		return
	}
	if t.pending == nil {
		t.pending = map[place]lwwmap.Record{}
	}
	t.pending[p] = now
}

func (t *table) check(err error) {
	if err != nil {
		t.fail(err)
	}
}

// index adds the rows that lead to a record.
func (t *table) index(b *pebble.Batch, r lwwmap.Record) {
	t.key = appendPlaceOfDot(t.key[:0], t.number, r)
	t.check(b.Set(t.key, nil, nil))
	if at := r.Expires(); at != 0 {
		t.key = appendTimeKey(t.key[:0], t.number, classExpiry, at, r.Kind(), r.Key())
		t.check(b.Set(t.key, nil, nil))
	}
	if r.Deleted() {
		t.key = appendTimeKey(t.key[:0], t.number, classTombstone, r.Stamp(), r.Kind(), r.Key())
		t.check(b.Set(t.key, nil, nil))
	}
}

// unindex takes the rows out that led to a record.
func (t *table) unindex(b *pebble.Batch, r lwwmap.Record) {
	t.key = appendPlaceOfDot(t.key[:0], t.number, r)
	t.check(b.Delete(t.key, nil))
	if at := r.Expires(); at != 0 {
		t.key = appendTimeKey(t.key[:0], t.number, classExpiry, at, r.Kind(), r.Key())
		t.check(b.Delete(t.key, nil))
	}
	if r.Deleted() {
		t.key = appendTimeKey(t.key[:0], t.number, classTombstone, r.Stamp(), r.Kind(), r.Key())
		t.check(b.Delete(t.key, nil))
	}
}

// Fork implements [lwwmap.Table]. Nothing must wait for a commit.
func (t *table) Fork() lwwmap.View {
	v := &view{s: t.s, number: t.number}
	err := t.s.use(func() error {
		if t.batch != nil {
			return fmt.Errorf("store: a fork in the midst of a step")
		}
		v.snap = t.s.db.NewSnapshot()
		t.s.viewMu.Lock()
		t.s.views[v] = true
		t.s.viewMu.Unlock()
		return nil
	})
	if err != nil {
		v.fail(err)
	}
	v.reader = func() pebble.Reader { return v.snap }
	return v
}

// ForkKind implements [lwwmap.Table].
func (t *table) ForkKind(lwwmap.Kind) lwwmap.View { return t.Fork() }

// Commit implements [lwwmap.Table].
func (t *table) Commit(step *lwwmap.Step, whole func() *lwwmap.State) error {
	if err := t.Err(); err != nil {
		t.discard()
		return err
	}
	if t.batch == nil && len(step.Seen) == 0 && step.Horizons == t.horizons {
		return nil
	}
	err := t.s.use(func() error {
		return t.s.guard(func() error { return t.commit(step, whole) })
	})
	t.discard()
	if err != nil {
		t.fail(err)
		return err
	}
	t.horizons = step.Horizons
	return nil
}

func (t *table) commit(step *lwwmap.Step, whole func() *lwwmap.State) error {
	if t.batch == nil {
		t.batch = t.s.db.NewBatch()
	}
	b := t.batch
	t.commits++
	t.row = appendStep(t.row[:0], step)
	t.key = appendJournalKey(t.key[:0], t.number, t.commits)
	if err := b.Set(t.key, t.row, nil); err != nil {
		return err
	}
	for _, d := range step.Sums {
		t.dirty[byte(d.Bucket>>8)] = true
	}
	if t.unfolded += len(step.Sums) + 1; t.unfolded >= t.s.folded {
		if err := t.fold(b, whole()); err != nil {
			return err
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return err
	}
	t.s.group.made()
	return nil
}

// discard forgets what waited for a commit.
func (t *table) discard() {
	if t.batch != nil {
		_ = t.batch.Close() // nothing is lost with it
	}
	t.batch, t.indexed = nil, nil
	clear(t.pending)
}

// openTable opens the table of a registry, with the state as its last commit
// left it.
func (s *Store) openTable(n number) (*table, lwwmap.State, error) {
	t := &table{view: view{s: s, number: n}}
	t.view.reader = t.reading
	state := lwwmap.State{Context: new(crdt.Context)}
	err := t.loadCheckpoint(&state)
	if err == nil {
		err = t.loadJournal(&state)
	}
	t.horizons = state.Horizons
	return t, state, err
}
