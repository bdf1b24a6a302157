package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Open opens the store in a directory, or makes one. [ErrInUse] when another
// process has it open, [ErrFormat] when a later version has written it,
// [ErrCorrupt] when it is damaged.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, fs: o.FS, log: o.Log, names: map[string]*registry{}, views: map[*view]bool{}}
	if s.fs == nil {
		s.fs = vfs.Default
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.setDisk()
	s.tune, s.folded, s.reads = o.tune, o.foldAfter, o.readOnly
	if s.folded == 0 {
		s.folded = foldAfter
	}
	if s.unsent = o.unsent; s.unsent == 0 {
		s.unsent = backlogBytes
	}
	if s.cache = o.Cache; s.cache <= 0 {
		s.cache = DefaultCache
	}
	s.hot.bytes = int(s.cache / 2)
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) setDisk() {
	s.disk = newDisk(s, s.fs)
	s.space.disk, s.group.s = s.disk, s
}

func (s *Store) open() (err error) {
	if s.lock, s.dir, err = lockDir(s.fs, s.dir); err != nil {
		return err
	}
	if _, err = takeOver(s.fs, s.dir); err != nil {
		return errors.Join(fmt.Errorf("%w: %s: %w", ErrFailed, s.dir, err), s.lock.Close())
	}
	if err = s.openLocked(); err != nil {
		_ = s.lock.Close() // the first error counts
	}
	return err
}

// openLocked opens the directory, which is locked.
func (s *Store) openLocked() error {
	err := s.disk.floor.check()
	if err == nil {
		err = s.checkLog()
	}
	if err == nil && !s.reads {
		err = errors.Join(s.removeSpills(), s.disk.log.begin())
	}
	if err == nil {
		err = s.openEngine()
	}
	if err == nil {
		if err = errors.Join(s.load(), s.Err()); err != nil {
			s.closeEngine()
		}
	}
	if err != nil {
		s.disk.log.end()
		return s.openError(err)
	}
	return nil
}

// checkLog refuses a directory of which more was durable than the engine will find. One who only reads is told
// by the fault.
func (s *Store) checkLog() (err error) {
	if s.cut, err = s.disk.log.check(); err != nil || s.cut == "" || s.reads {
		return err
	}
	return fmt.Errorf("%w: %s: %s; run minikv check --repair, which goes on from what is before that and asks peers for the rest, or restore the file", ErrCorrupt, s.dir, s.cut)
}

func (s *Store) openEngine() error {
	cache := pebble.NewCache(s.cache - int64(s.hot.bytes) + 2*memTable) // which the engine takes for what it gathers
	defer cache.Unref()
	return s.engine(func() (err error) {
		s.db, err = pebble.Open(s.dir, s.engineOptions(cache))
		return err
	})
}

// openError says what to do about a directory that cannot be opened.
func (s *Store) openError(err error) error {
	switch {
	case errors.Is(err, ErrFormat), errors.Is(err, ErrCorrupt), errors.Is(err, ErrFull), errors.Is(err, ErrFailed):
		return err
	case isDisk(err):
		return fmt.Errorf("%w: %s: %w", ErrFailed, s.dir, err)
	case s.isOfLaterEngine():
		return fmt.Errorf("%w: %s: %w; use the version of minikv that wrote it, or a later one", ErrFormat, s.dir, err)
	}
	return fmt.Errorf("%w: %s: %w; run minikv check on the directory, or remove it and get the data from peers", ErrCorrupt, s.dir, err)
}

// isOfLaterEngine says whether an engine has written the directory in a form that this one does not know. The
// engine has no error of its own for that.
func (s *Store) isOfLaterEngine() bool {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return false
	}
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, "marker.format-version.") // then iteration.version
		if _, version, _ := strings.Cut(rest, "."); ok {
			if v, err := strconv.Atoi(version); err == nil && v > int(engineFormat) {
				return true
			}
		}
	}
	return false
}

// load reads what the store knows of itself, and writes it the first time.
func (s *Store) load() error {
	format, err := s.get(keyFormat)
	switch {
	case err != nil:
		return err
	case format == nil:
		if err := s.isEmpty(); err != nil {
			return err
		}
		if s.reads {
			return fmt.Errorf("%w: %s holds no store", ErrFormat, s.dir)
		}
		return s.put(keyFormat, []byte{Format})
	case len(format) != 1 || format[0] == 0:
		return fmt.Errorf("%w: %s: the format's version is not readable", ErrCorrupt, s.dir)
	case format[0] > Format:
		return fmt.Errorf("%w: %s has format %d, this version knows up to %d; use the version of minikv that wrote it, or a later one", ErrFormat, s.dir, format[0], Format)
	}
	next, err := s.get(keyNext)
	if err != nil {
		return err
	}
	if len(next) == 4 {
		s.next = number(binary.BigEndian.Uint32(next))
	}
	return s.rows(s.db, keyNames, after(keyNames), func(k, v []byte) error {
		if len(v) < 4 {
			return fmt.Errorf("%w: %s: the row of registry %q", ErrCorrupt, s.dir, k[prefixLen:])
		}
		r := &registry{number: number(binary.BigEndian.Uint32(v)), about: append([]byte(nil), v[4:]...)}
		s.names[string(k[prefixLen:])] = r
		s.next = max(s.next, r.number)
		return nil
	})
}

// isEmpty refuses an engine's directory that something else has written.
func (s *Store) isEmpty() error {
	return s.rows(s.db, nil, nil, func(k, v []byte) error {
		return fmt.Errorf("%w: %s holds a database that is not minikv's", ErrFormat, s.dir)
	})
}
