package store

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// memTable is how much Pebble gathers in memory before it writes a table.
const memTable = 16 << 20

func (s *Store) engineOptions(cache *pebble.Cache) *pebble.Options {
	log := &engineLog{s: s}
	o := &pebble.Options{
		FS: s.fs, Lock: s.lock, Cache: cache, Logger: log,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                memTable,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                512,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { s.log.Warn("the storage engine will try again", "err", err) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				s.fail(fmt.Errorf("%w: %s", ErrCorrupt, i.String()))
			},
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// engineLog takes what the engine has to say. Its Fatalf must not return: the
// engine is in no state to go on. So the write ends that ran into it, see guard,
// or the engine's own goroutine; the process does not.
type engineLog struct{ s *Store }

func (l *engineLog) Infof(format string, args ...any) {
	if l.s.log.Enabled(nil, slog.LevelDebug) {
		l.s.log.Debug(fmt.Sprintf(format, args...))
	}
}

func (l *engineLog) Errorf(format string, args ...any) {
	l.s.log.Warn(fmt.Sprintf(format, args...))
}

func (l *engineLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err = cause
		}
	}
	l.s.fail(err)
	if isGuarded() {
		panic(engineEnd{err})
	}
	runtime.Goexit()
}

// engineEnd is what Fatalf unwinds a write with.
type engineEnd struct{ err error }

// guard calls the engine for a write.
func (s *Store) guard(write func() error) (err error) {
	defer func() {
		if end := recover(); end != nil {
			if _, ok := end.(engineEnd); !ok {
				panic(end)
			}
			err = s.Err()
		}
	}()
	if err := s.Err(); err != nil {
		return err
	}
	if err := write(); err != nil {
		s.fail(err)
		return s.Err()
	}
	return nil
}

// isGuarded says whether a caller of this goroutine is guard.
func isGuarded() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "store.(*Store).guard") {
			return true
		}
		if !more {
			return false
		}
	}
}

// fail makes the store refuse writes for good.
func (s *Store) fail(err error) {
	if !errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w: %s: %w; reads go on; open the node again when the disk is well", ErrFailed, s.dir, err)
	}
	if s.failed.CompareAndSwap(nil, &err) {
		s.log.Error("the store takes no more writes", "dir", s.dir, "err", err)
	}
}

// Err returns why the store refuses writes for good, nil while it does not.
func (s *Store) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// corrupt translates errors of reading.
func (s *Store) corrupt(err error) error {
	if errors.Is(err, pebble.ErrCorruption) {
		return fmt.Errorf("%w: %s: %w; run minikv check on the directory, or remove it and get the data from peers", ErrCorrupt, s.dir, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrFailed, s.dir, err)
}

// fewBytes is the free space below which writes are refused: the engine needs
// some to write what it holds in memory, and to make room.
const fewBytes = 64 << 20

// space watches the free space of a disk.
type space struct {
	fs     vfs.FS
	dir    string
	writes atomic.Uint64
	full   atomic.Bool
}

// every how many writes the disk is asked; while it is full, each time.
const spaceCheck = 256

// check refuses a write on a full disk.
func (p *space) check() error {
	if p.writes.Add(1)%spaceCheck != 1 && !p.full.Load() {
		return nil
	}
	usage, err := p.fs.GetDiskUsage(p.dir)
	if err != nil {
		return nil // the file system does not know
	}
	p.full.Store(usage.AvailBytes < fewBytes)
	if p.full.Load() {
		return fmt.Errorf("%w: %s has %d MiB left, %d are needed; reads go on, and writes when there is room", ErrFull, p.dir, usage.AvailBytes>>20, fewBytes>>20)
	}
	return nil
}
