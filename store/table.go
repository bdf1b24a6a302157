package store

import (
	"encoding/binary"
	"errors"
	"strconv"
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

// Commit implements [lwwmap.Table].
func (t *table) Commit(step *lwwmap.Step, whole func() *lwwmap.State) error {
	if err := t.Err(); err != nil {
		t.giveUp()
		return err
	}
	if !t.inStep && len(step.Seen) == 0 && step.Horizons == t.horizons {
		return nil
	}
	return t.s.use(func() error {
		t.begin()
		t.ended.Seen = append(t.ended.Seen, step.Seen...)
		t.ended.Sums = append(t.ended.Sums, step.Sums...)
		t.ended.Horizons, t.ended.Counts, t.ended.Clock = step.Horizons, step.Counts, step.Clock
		t.horizons, t.whole, t.inStep = step.Horizons, whole, false
		t.end = [2]batchEnd{endOf(t.batch), endOf(t.dots)}
		t.steps++
		if t.lock != nil {
			t.s.group.waits(t)
		}
		if t.lock == nil || t.batch.Len()+t.dots.Len() >= gatherBytes {
			if err := t.flush(); err != nil {
				return err
			}
		}
		return t.s.Err()
	})
}

// flush hands the steps that have ended to the engine. The owner's lock is held, and
// the store in use. After a failure of the disk the engine takes them all the same, in
// memory, so that reads find them.
func (t *table) flush() error {
	t.awaitHanded()
	h, err := t.takeOut()
	if h == nil {
		return err
	}
	err = t.give(h, pebble.NoSync)
	t.awaitHanded()
	return err
}

// handed are steps on their way to the engine. They are read here until it has them.
type handed struct {
	batch   *pebble.Batch
	pending map[place]lwwmap.Record
	done    chan struct{} // closed when it has
}

// handOver is flush for one who is not the owner and waits for the disk, by the batch
// that it returns; nil if there is nothing to hand over. The owner goes on as soon as
// the steps have been taken out, while the engine works. Only for who makes an fsync.
func (t *table) handOver() (b *pebble.Batch, err error) {
	t.lock.Lock()
	unlock := sync.OnceFunc(t.lock.Unlock)
	defer unlock()
	err = t.s.use(func() error {
		t.awaitHanded()
		h, err := t.takeOut()
		if h == nil {
			return err
		}
		t.s.group.admitLate()
		unlock()
		b = h.batch
		if err := t.give(h, pebble.Sync); err != nil {
			return err
		}
		return t.s.Err()
	})
	return b, err
}

// awaitHanded waits until the engine has what it was handed: it gets all in order.
func (t *table) awaitHanded() {
	h := t.handed
	if h == nil {
		return
	}
	<-h.done
	t.handed = nil
	if len(h.pending) <= 4096 {
		clear(h.pending)
		t.spare = h.pending
	}
}

// takeOut makes one batch of the steps that have ended, nil if there are none.
func (t *table) takeOut() (*handed, error) {
	if t.steps == 0 {
		return nil, nil
	}
	if t.s.broken.Load() {
		return nil, t.s.Err()
	}
	b := t.batch
	err := t.s.engine(func() error { return errors.Join(b.Apply(t.dots, nil), t.journal(b)) })
	if err != nil {
		t.giveUp()
		t.failAll(err)
		return nil, t.s.Err()
	}
	t.handed = &handed{batch: b, pending: t.pending, done: make(chan struct{})}
	steps := t.steps
	t.batch, t.pending, t.spare = nil, t.spare, nil // who waits for the batch closes it
	t.discard()
	t.s.group.made(t, steps)
	return t.handed, nil
}

// give gives the engine what was taken out.
func (t *table) give(h *handed, o *pebble.WriteOptions) error {
	defer close(h.done)
	err := t.s.engine(func() error {
		if o.Sync {
			return t.s.db.ApplyNoSyncWait(h.batch, o)
		}
		defer h.batch.Close()
		return h.batch.Commit(o)
	})
	if err != nil {
		t.failAll(err)
		return t.s.Err()
	}
	return nil
}

func (t *table) failAll(err error) {
	t.s.fail(err)
	t.fail(err)
}

// journal adds the journal row of the steps that have ended, and what else has
// to change with them.
func (t *table) journal(b *pebble.Batch) error {
	t.commits++
	t.key = appendJournalKey(t.key[:0], t.number, t.commits)
	t.row = appendSum(appendStep(t.row[:0], &t.ended), t.key)
	if err := b.Set(t.key, t.row, nil); err != nil {
		return err
	}
	if t.kept {
		prefix := appendPrefix(nil, t.number, classFilter)
		if err := b.DeleteRange(prefix, after(prefix), nil); err != nil {
			return err
		}
		t.kept = false
	}
	for _, d := range t.ended.Sums {
		t.dirty[byte(d.Bucket>>8)] = true
	}
	if t.unfolded += len(t.ended.Sums) + 1; t.unfolded < t.s.folded {
		return nil
	}
	return t.fold(b, t.whole())
}

// drop forgets the steps that the engine does not know yet, so that nobody hands
// them to it when the registry has gone. The owner's lock is held.
func (t *table) drop() {
	t.awaitHanded()
	steps := t.steps
	t.giveUp()
	t.backlog.reset()
	if steps > 0 {
		t.s.group.made(t, steps)
	}
}

// cut forgets a step that has not ended. Those before stay.
func (t *table) cut() error {
	if !t.inStep {
		return nil
	}
	if t.steps == 0 {
		t.giveUp()
		return nil
	}
	t.hot.reset()
	t.closeIndexed()
	t.inStep = false
	clear(t.pending)
	return errors.Join(t.end[0].cut(t.batch), t.end[1].cut(t.dots))
}

// batchEnd is where a batch ended.
type batchEnd struct {
	bytes   int
	changes uint32
}

func endOf(b *pebble.Batch) batchEnd { return batchEnd{b.Len(), b.Count()} }

// cut takes out of a batch what came behind an end.
func (e batchEnd) cut(b *pebble.Batch) error {
	repr := append([]byte(nil), b.Repr()[:e.bytes]...)
	binary.LittleEndian.PutUint32(repr[batchCount:], e.changes)
	b.Reset()
	return b.SetRepr(repr)
}

// batchCount is where the engine's batches have the number of their changes.
const batchCount = 8

func (t *table) closeIndexed() {
	if t.indexed != nil {
		_ = t.indexed.Close() // only for reading
		t.indexed = nil
	}
}

// giveUp forgets what the engine will never get.
func (t *table) giveUp() {
	t.discard()
	t.hot.reset()
}

// discard forgets what waited for the engine.
func (t *table) discard() {
	if t.batch != nil {
		_ = t.batch.Close() // nothing is lost with it
	}
	if t.dots != nil {
		_ = t.dots.Close()
	}
	t.closeIndexed()
	t.batch, t.dots, t.inStep, t.steps = nil, nil, false, 0
	clear(t.ended.Seen)
	t.ended.Seen, t.ended.Sums = t.ended.Seen[:0], t.ended.Sums[:0]
	if len(t.pending) > 4096 {
		t.pending = nil
	}
	clear(t.pending)
}

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
