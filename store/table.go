package store

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/lwwmap"
)

// table is the table of one registry on disk. Its changes gather in a batch of
// the engine: those of a step until Commit and, where the table has a lock,
// those of many steps until somebody waits for them.
type table struct {
	view
	lock sync.Locker // the owner's: held in all calls but those of forks; nil: each Commit goes to the engine

	batch   *pebble.Batch           // nil: nothing has changed
	dots    *pebble.Batch           // rows by dot, to follow those of batch: an ascending run costs the engine little
	indexed *pebble.Batch           // both, once something had to be read in order within a step
	pending map[place]lwwmap.Record // the same by key; the zero record: removed
	handed  *handed                 // what was in them before; nil: the engine has it
	spare   map[place]lwwmap.Record // an empty one
	inStep  bool                    // something changed since the last Commit
	ended   lwwmap.Step             // what the steps that have ended changed beside records
	steps   int                     // in ended
	end     [2]batchEnd             // of batch and dots, at the end of the last of them
	whole   func() *lwwmap.State    // the state, at the end of a step
	backlog backlog
	hot     hot
	filter  keeper
	kept    bool // the filter is on disk, and true until the first change

	commits  uint64              // number of the last journal row
	unfolded int                 // changes to the digest tree since the checkpoint
	dirty    [lwwmap.Fanout]bool // parts of the digest tree changed since
	horizons lwwmap.Horizons     // as of the last Commit
	unsynced *unsynced           // what has changed and may not be durable
	key, row []byte              // room to build rows in
}

type place struct {
	kind lwwmap.Kind
	key  string
}

const (
	// foldAfter is how many changes to the digest tree may lie in the journal: so
	// many does opening have to read at most, 10 ms or so.
	foldAfter = 64 << 10
	// gatherBytes ends a batch that nobody waits for.
	gatherBytes = 1 << 20
)

// reading returns what shows all changes, for reading in order.
func (t *table) reading() (pebble.Reader, error) {
	t.awaitHanded()
	if t.batch != nil && !t.inStep {
		if err := t.flush(); err != nil {
			return nil, err
		}
	}
	switch {
	case t.batch == nil:
		return t.s.db, nil
	case t.indexed == nil:
		indexed := t.s.db.NewIndexedBatch()
		if err := errors.Join(indexed.Apply(t.batch, nil), indexed.Apply(t.dots, nil)); err != nil {
			return nil, err
		}
		t.indexed = indexed
	}
	return t.indexed, nil
}

// Get implements [lwwmap.View].
func (t *table) Get(kind lwwmap.Kind, key string) (rec lwwmap.Record) {
	if len(t.pending) > 0 {
		if rec, ok := t.pending[place{kind, key}]; ok {
			return rec
		}
	}
	if h := t.handed; h != nil {
		if rec, ok := h.pending[place{kind, key}]; ok {
			return rec
		}
	}
	if rec = t.hot.get(kind, key); !rec.IsZero() || !t.filter.mayHave(kind, key) {
		return rec
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
		if p.Held.IsZero() {
			t.filter.add(r.Kind(), r.Key())
		} else {
			t.unindex(b, p.Held)
			t.hot.set(r)
		}
		t.key = appendEntryKey(t.key[:0], t.number, r.Kind(), r.Key())
		t.put(b, t.key, r.Packed())
		t.backlog.add(r)
		t.index(b, r)
	})
}

// Remove implements [lwwmap.Table].
func (t *table) Remove(p *lwwmap.Place) {
	t.change(place{p.Held.Kind(), p.Held.Key()}, lwwmap.Record{}, func(b *pebble.Batch) {
		t.unindex(b, p.Held)
		t.hot.remove(p.Held)
		t.key = appendEntryKey(t.key[:0], t.number, p.Held.Kind(), p.Held.Key())
		t.delete(b, t.key)
	})
}

// put sets a row of the step, in one of its batches.
func (t *table) put(b *pebble.Batch, key, value []byte) {
	t.check(b.Set(key, value, nil))
	if t.indexed != nil {
		t.check(t.indexed.Set(key, value, nil))
	}
}

// delete takes a row out, in one of the step's batches.
func (t *table) delete(b *pebble.Batch, key []byte) {
	t.check(b.Delete(key, nil))
	if t.indexed != nil {
		t.check(t.indexed.Delete(key, nil))
	}
}

// change adds to the step that now is what a place holds.
func (t *table) change(p place, now lwwmap.Record, fn func(*pebble.Batch)) {
	err := t.s.use(func() error {
		t.begin()
		fn(t.batch)
		return nil
	})
	if err != nil {
		t.fail(err)
		return
	}
	t.inStep = true
	t.pending[p] = now
	if t.lock != nil {
		t.unsynced.add(p)
	}
}

// begin makes sure that there are batches.
func (t *table) begin() {
	if t.batch == nil {
		t.batch, t.dots = t.s.db.NewBatch(), t.s.db.NewBatch()
	}
	if t.pending == nil {
		t.pending = map[place]lwwmap.Record{}
	}
}

func (t *table) check(err error) {
	if err != nil {
		t.fail(err)
	}
}

// index adds the rows that lead to a record.
func (t *table) index(b *pebble.Batch, r lwwmap.Record) {
	t.key = appendPlaceOfDot(t.key[:0], t.number, r)
	t.put(t.dots, t.key, nil)
	t.timeRows(r, func(key []byte) { t.put(b, key, nil) })
}

// unindex takes the rows out that led to a record.
func (t *table) unindex(b *pebble.Batch, r lwwmap.Record) {
	t.backlog.remove(r)
	t.unindexDot(r)
	t.timeRows(r, func(key []byte) { t.delete(b, key) })
}

// timeRows calls fn with the key of each row that leads to a record by time.
func (t *table) timeRows(r lwwmap.Record, fn func(key []byte)) {
	if at := r.Expires(); at != 0 {
		t.key = appendTimeKey(t.key[:0], t.number, classExpiry, at, r.Kind(), r.Key())
		fn(t.key)
	}
	if r.Deleted() {
		t.key = appendTimeKey(t.key[:0], t.number, classTombstone, r.Stamp(), r.Kind(), r.Key())
		fn(t.key)
	}
}

var errForkInStep = errors.New("store: a fork in the midst of a step")

// Fork implements [lwwmap.Table]. It must not be called within a step.
func (t *table) Fork() lwwmap.View {
	v := &view{s: t.s, number: t.number}
	err := t.s.use(func() error {
		if t.inStep {
			return errForkInStep
		}
		if err := t.flush(); err != nil {
			return err
		}
		v.take()
		return nil
	})
	if err != nil {
		v.fail(err)
	}
	v.reader = func() (pebble.Reader, error) { return v.snap, v.Err() }
	v.mayHave = t.filter.mayHave
	return v
}

// ForkKind implements [lwwmap.Table].
func (t *table) ForkKind(lwwmap.Kind) lwwmap.View { return t.Fork() }
