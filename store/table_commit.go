package store

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/lwwmap"
)

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
