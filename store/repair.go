package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// makeWithin makes the store that is to take the place of the one in a directory.
func makeWithin(dir string, o Options, fill func(*Store) error) error {
	o.readOnly = false
	making := o.FS.PathJoin(dir, makingName)
	to, err := Open(making, o)
	if err == nil {
		err = errors.Join(fill(to), to.Close())
	}
	if err != nil {
		_ = o.FS.RemoveAll(making) // the first error counts
	}
	return err
}

// repair makes a new store of what is right.
func (c *checker) repair(o Options) error {
	if err := makeWithin(c.s.dir, o, c.copy); err != nil {
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

// beginAnew puts an empty store in the place of one of which nothing can be read.
func beginAnew(dir string, o Options, cause error) (r Report, err error) {
	r.fault(FaultUnreadable, "", "%v", cause)
	lock, dir, err := lockDir(o.FS, dir)
	if err != nil {
		return r, err
	}
	err = makeWithin(dir, o, func(s *Store) error {
		return s.Reserve(hlc.FromTime(time.Now()).Add(hlc.DefaultAhead)) // what it was nobody knows
	})
	if err == nil {
		r.Kept, err = install(o.FS, dir)
	}
	r.Repaired = err == nil
	return r, errors.Join(err, lock.Close())
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
	return err
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
