package store

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// The checkpoint of a registry is its state as of some commit: a head row with
// the number of that commit, context, horizons and totals, and a row for each
// of the 256 parts of the digest tree that is not empty.

// fold writes the checkpoint of this commit, and takes the journal out.
func (t *table) fold(b *pebble.Batch, s *lwwmap.State) error {
	head := binary.BigEndian.AppendUint64(nil, t.commits)
	head = appendStep(head, &lwwmap.Step{Seen: s.Context.Spans(), Horizons: s.Horizons, Counts: s.Counts, Clock: s.Clock})
	prefix := appendPrefix(nil, t.number, classCheckpoint)
	if err := b.Set(prefix, appendSum(head, prefix), nil); err != nil {
		return err
	}
	for i, dirty := range t.dirty {
		if !dirty {
			continue
		}
		key, row := append(prefix[:prefixLen:prefixLen], byte(i)), s.Sums.AppendTop(nil, byte(i))
		err := b.Set(key, row, nil)
		if isZero(row) {
			err = b.Delete(key, nil)
		}
		if err != nil {
			return err
		}
	}
	from, to := appendJournalKey(nil, t.number, 0), appendJournalKey(nil, t.number, t.commits+1)
	if err := b.DeleteRange(from, to, nil); err != nil {
		return err
	}
	t.unfolded, t.dirty = 0, [lwwmap.Fanout]bool{}
	return nil
}

func isZero(row []byte) bool {
	for _, b := range row {
		if b != 0 {
			return false
		}
	}
	return true
}

// loadState reads the state of the last commit.
func (t *table) loadState(r pebble.Reader) (lwwmap.State, error) {
	state := newState()
	err := t.loadCheckpoint(r, state)
	if err == nil {
		err = t.loadJournal(r, state)
	}
	return *state, err
}

func newState() *lwwmap.State { return &lwwmap.State{Context: new(crdt.Context)} }

func (t *table) loadCheckpoint(r pebble.Reader, s *lwwmap.State) error {
	prefix := appendPrefix(nil, t.number, classCheckpoint)
	return t.s.rows(r, prefix, after(prefix), func(k, v []byte) error {
		if len(k) == prefixLen {
			return t.loadHead(k, v, s)
		}
		if len(k) != prefixLen+1 || len(v) != lwwmap.TopSize {
			return fmt.Errorf("%w: %s: a row of the checkpoint; run minikv check", ErrCorrupt, t.s.dir)
		}
		s.Sums.SetTop(k[prefixLen], v)
		return nil
	})
}

func (t *table) loadHead(k, v []byte, s *lwwmap.State) error {
	v, ok := cutSum(v, k)
	if !ok || len(v) < 8 {
		return fmt.Errorf("%w: %s: the head of the checkpoint; run minikv check", ErrCorrupt, t.s.dir)
	}
	t.commits = binary.BigEndian.Uint64(v)
	return t.apply(v[8:], s)
}

func (t *table) loadJournal(r pebble.Reader, s *lwwmap.State) error {
	prefix := appendPrefix(nil, t.number, classJournal)
	return t.s.rows(r, prefix, after(prefix), func(k, v []byte) error {
		if len(k) != prefixLen+8 || binary.BigEndian.Uint64(k[prefixLen:]) != t.commits+1 {
			return fmt.Errorf("%w: %s: a journal row is missing; run minikv check", ErrCorrupt, t.s.dir)
		}
		v, ok := cutSum(v, k)
		if !ok {
			return fmt.Errorf("%w: %s: a journal row; run minikv check", ErrCorrupt, t.s.dir)
		}
		t.commits++
		return t.apply(v, s)
	})
}

func (t *table) apply(row []byte, s *lwwmap.State) error {
	step, err := readStep(row)
	if err != nil {
		return fmt.Errorf("%w: %s: %w; run minikv check", ErrCorrupt, t.s.dir, err)
	}
	s.Apply(step)
	for _, d := range step.Sums {
		t.dirty[byte(d.Bucket>>8)] = true
	}
	t.unfolded += len(step.Sums) + 1
	return nil
}
