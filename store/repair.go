package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// asideOf is where a repaired store is made.
func asideOf(dir string) string { return dir + ".repairing" }

// repair makes a new store of what is right.
func (c *checker) repair(o Options) error {
	o.readOnly = false
	aside := asideOf(c.s.dir)
	if err := o.FS.RemoveAll(aside); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFailed, aside, err)
	}
	to, err := Open(aside, o)
	if err != nil {
		return err
	}
	err = c.copy(to)
	if err = errors.Join(err, to.Close()); err != nil {
		_ = o.FS.RemoveAll(aside) // the first error counts
		return err
	}
	c.repaired = true
	return nil
}

func (c *checker) copy(to *Store) error {
	report := c.report
	defer func() { c.report = report }() // the same faults are met again
	c.report = Report{}
	if c.ceiling != 0 {
		if err := to.Reserve(c.ceiling); err != nil {
			return err
		}
	}
	var err error
	failed := c.each("", keyNotes, after(keyNotes), func(k, v []byte) {
		if err == nil {
			err = to.SetNote(string(k[prefixLen:]), v)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	for _, one := range c.found {
		if err := c.copyRegistry(to, one); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) copyRegistry(to *Store, one *checked) error {
	b, err := to.build(one.r.Name, one.about, one.seen())
	if err != nil {
		return err
	}
	from := appendPrefix(nil, one.number, classEntry)
	add := func(k, v []byte) {
		if r, wrong := c.whole(one, k, v); err == nil && wrong == "" {
			err = b.add(r)
		}
	}
	failed := c.each(one.r.Name, from, after(from), func(k, v []byte) {
		if !one.between[string(k)] {
			add(k, v)
		}
	})
	for row := range one.between {
		v, failed := c.s.get([]byte(row))
		if err = errors.Join(err, failed); err != nil {
			break
		}
		add([]byte(row), v)
	}
	return errors.Join(err, failed, b.commit())
}

// seen is the state that a repaired registry begins with: of what it had seen,
// all that is known to be held or overtaken.
func (one *checked) seen() *lwwmap.State {
	s := newState()
	if one.state != nil {
		s.Horizons, s.Clock = one.state.Horizons, one.state.Clock
	}
	if one.r.Unknown {
		s.Context = one.held
		return s
	}
	lost := new(crdt.Context)
	for d := range one.lost {
		lost.Add(d)
	}
	for _, span := range one.state.Context.Sub(lost) {
		s.Context.AddRanges(span.Actor, span.Ranges)
	}
	s.Context.Join(one.held)
	return s
}

// swap gives the repaired store the directory's name.
func (c *checker) swap() error {
	fs, dir := c.s.fs, c.s.dir
	c.report.Kept = dir + ".damaged"
	for n := 2; ; n++ {
		if _, err := fs.Stat(c.report.Kept); errors.Is(err, errNotExist) {
			break
		}
		c.report.Kept = fmt.Sprintf("%s.damaged-%d", dir, n)
	}
	err := fs.Rename(dir, c.report.Kept)
	if err == nil {
		err = fs.Rename(asideOf(dir), dir)
	}
	if err == nil {
		err = syncDir(fs, fs.PathDir(dir))
	}
	if err != nil {
		return fmt.Errorf("%w: the repaired store is in %s, the old one in %s or %s: %w", ErrFailed, asideOf(dir), dir, c.report.Kept, err)
	}
	c.report.Repaired = true
	return nil
}

// blame names the files that make it impossible to open a store.
func blame(fs vfs.FS, dir string, err error) error {
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	names, listed := fs.List(dir)
	if listed != nil {
		return err
	}
	var bad []string
	for _, name := range names {
		if isTable(name) && checkTable(fs, fs.PathJoin(dir, name)) != nil {
			bad = append(bad, name)
		}
	}
	if len(bad) > 0 {
		err = fmt.Errorf("%w; these files are damaged: %s", err, strings.Join(bad, ", "))
	}
	return fmt.Errorf("%w; check cannot go on: put a saved store in the directory's place, or remove it and get the data from peers", err)
}

// checkTable reads all blocks of one of the engine's tables.
func checkTable(fs vfs.FS, path string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	b, err := readFile(fs, path, 1<<31)
	if err != nil {
		return err
	}
	r, err := sstable.NewMemReader(b, sstable.ReaderOptions{Comparer: pebble.DefaultComparer})
	if err != nil {
		return err
	}
	defer r.Close()
	return r.ValidateBlockChecksums()
}
