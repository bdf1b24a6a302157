package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// engineFormat is the form in which the engine writes; part of Format. The engine's newest would change under a
// directory with the next version of the engine, and take the way back.
const engineFormat = pebble.FormatValueSeparation

// Shape of the tree. More in memory and more files of level 0 make for fewer rewrites of what is new: with
// half of both a million keys would be written 4.5 times over, now 2.6 times.
const (
	memTable  = 32 << 20 // bytes gathered in memory before a table is written; up to four times that for a while
	l0Merging = 8        // depth of level 0 at which it is merged with the next
	// maxManifestFile lets the manifest be written anew as soon as it names more tables that came and went than
	// there are: else it would grow with all that was ever written.
	maxManifestFile = 1
)

func (s *Store) engineOptions(cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		ReadOnly: s.reads, FS: s.disk, Lock: s.lock, // none beside another store
		Cache: cache, Logger: &engineLog{s: s},
		FormatMajorVersion:          engineFormat,
		MemTableSize:                memTable,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       l0Merging,
		MaxManifestFileSize:         maxManifestFile,
		MaxOpenFiles:                512,
		EventListener:               s.engineEvents(),
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if s.tune != nil {
		s.tune(o)
	}
	return o
}

func (s *Store) engineEvents() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if s.Err() == nil {
				s.log.Warn("the storage engine will try again", "err", err)
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.fail(fmt.Errorf("%w: %s: %s", ErrCorrupt, i.Path, firstLine(i.Details)))
		},
		FlushEnd:        func(i pebble.FlushInfo) { s.tableDone(i.Err, i.Done) },
		CompactionEnd:   func(i pebble.CompactionInfo) { s.tableDone(i.Err, i.Done) },
		WriteStallBegin: func(pebble.WriteStallBeginInfo) { s.disk.stalled(true) },
		WriteStallEnd:   func() { s.disk.stalled(false) },
	}
}

// tableDone notes how the engine's work on a table ended.
func (s *Store) tableDone(err error, done bool) {
	switch {
	case err == nil && done:
		s.disk.tableWritten()
	case err != nil && !errors.Is(err, pebble.ErrCancelledCompaction) && !errors.Is(err, errStopped):
		s.disk.tableFailed(err)
	}
}

// engineLog takes what the engine has to say. Its Fatalf must not return: the
// engine is in no state to go on. So the write ends that ran into it, see guard,
// or the engine's own goroutine; the process does not. It is the last resort:
// disk keeps from the engine all that it is known to find fatal.
type engineLog struct{ s *Store }

func (l *engineLog) Infof(format string, args ...any) {
	if l.s.log.Enabled(context.Background(), slog.LevelDebug) {
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
	l.s.broken.Store(true)
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
	if err := s.Err(); err != nil {
		return err
	}
	if err := s.engine(write); err != nil {
		s.fail(err)
	}
	return s.Err() // also what disk has kept from the engine
}

// engine calls the engine. Its panics are errors.
func (s *Store) engine(fn func() error) (err error) {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case engineEnd:
			err = end.err
		case error:
			s.broken.Store(true)
			err = fmt.Errorf("the storage engine ended: %w", end)
		default:
			s.broken.Store(true)
			err = fmt.Errorf("the storage engine ended: %v", end)
		}
	}()
	return fn()
}

// isGuarded says whether a caller of this goroutine is engine.
func isGuarded() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "store.(*Store).engine") {
			return true
		}
		if !more {
			return false
		}
	}
}

// fail makes the store refuse writes for good.
func (s *Store) fail(err error) {
	switch {
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrFailed), errors.Is(err, ErrFull):
	case isFull(err):
		err = fmt.Errorf("%w: %s: %w; reads go on, and writes when there is room", ErrFull, s.dir, err)
	default:
		err = fmt.Errorf("%w: %s: %w; reads go on, and writes when the disk is well", ErrFailed, s.dir, err)
	}
	if s.failed.CompareAndSwap(nil, &err) {
		s.log.Error("the store takes no more writes", "dir", s.dir, "err", err)
	}
}

// Err returns why the store refuses writes for good, nil while it does not:
// ErrFailed, ErrCorrupt, or ErrFull where the log could not be written for want
// of room. What was not durable by then is not on the disk, and nothing changes
// there any more; the store is to be renewed, or closed and opened anew.
func (s *Store) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// corrupt translates errors of reading.
func (s *Store) corrupt(err error) error {
	if pebble.IsCorruptionError(err) { // the engine marks them in a way that errors.Is does not see
		return fmt.Errorf("%w: %s: %s; run minikv check on the directory, or remove it and get the data from peers", ErrCorrupt, s.dir, firstLine(err))
	}
	return fmt.Errorf("%w: %s: %w", ErrFailed, s.dir, err)
}

// firstLine is what an error of the engine says, without its attachments.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

var (
	errNotExist = fs.ErrNotExist
	errNoRoom   = fmt.Errorf("%w: no room for a table of the engine", ErrFull)
)

// isDisk says whether an error is the file system's, and not of what it holds.
func isDisk(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	var no syscall.Errno
	return errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist) || errors.As(err, &link) || errors.As(err, &no) && no != syscall.ENOENT
}

func isPath(err error) bool {
	path := (*fs.PathError)(nil)
	return errors.As(err, &path)
}

// isFull says whether a write failed for want of room.
func isFull(err error) bool { return vfs.IsNoSpaceError(err) }

// fewBytes is the free space below which writes are refused: the engine needs
// some to write what it holds in memory, and to make room.
const fewBytes = 64 << 20

// space watches the free space of a disk.
type space struct {
	disk *disk
	next atomic.Int64 // when it is to be asked again, in nanoseconds since began
	full atomic.Bool  // or gone: asked again each time
}

// spaceEvery is how often a disk is asked at most, while it is not full: seldom
// enough to cost nothing, and often enough for one that others fill as well.
const spaceEvery = 10 * time.Millisecond

var began = time.Now()

// check refuses a write on a full disk.
func (p *space) check() error {
	if p.disk.tight.Load() {
		return fmt.Errorf("%w: %s has no room for what is in memory; reads go on, and writes when there is room", ErrFull, p.disk.s.dir)
	}
	now := time.Since(began)
	if now < time.Duration(p.next.Load()) && !p.full.Load() {
		return nil
	}
	p.next.Store(int64(now + spaceEvery))
	usage, err := p.disk.GetDiskUsage(p.disk.s.dir)
	if errors.Is(err, errNotExist) { // files that are open can be written for long, and go with the process
		p.full.Store(true)
		return fmt.Errorf("%w: %s is gone; reads go on, and writes when it is back", ErrFailed, p.disk.s.dir)
	}
	if err != nil {
		return nil // the file system does not know
	}
	p.full.Store(usage.AvailBytes < fewBytes)
	if p.full.Load() {
		return fmt.Errorf("%w: %s has %d MiB left, %d are needed; reads go on, and writes when there is room", ErrFull, p.disk.s.dir, usage.AvailBytes>>20, fewBytes>>20)
	}
	return nil
}
