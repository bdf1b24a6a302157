package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Options set up a store. The zero value is usable.
type Options struct {
	FS    vfs.FS       // default: the operating system's
	Cache int64        // bytes of memory for what was read, default 64 MiB
	Log   *slog.Logger // default: none

	tune      func(*pebble.Options) // of tests
	foldAfter int                   // default: foldAfter
	unsent    int                   // default: backlogBytes
	readOnly  bool                  // nothing is written, not even a new store
}

// DefaultCache is used where Options.Cache is zero.
const DefaultCache = 64 << 20

// Store is the data of one node in one directory. Safe for concurrent use; each
// of its maps is not, see [lwwmap.Map].
type Store struct {
	dir    string
	fs     vfs.FS
	log    *slog.Logger
	disk   *disk // fs, as the engine sees it
	lock   *pebble.Lock
	space  space
	failed atomic.Pointer[error]
	broken atomic.Bool // the engine ended in the midst of something
	group  group
	reads  bool // only
	beside bool // another store has the directory's lock, see Renew
	cache  int64
	cut    string // what is wrong with the end of the log
	tune   func(*pebble.Options)
	folded int // changes after which a journal is folded
	unsent int // bytes of a backlog in memory

	life   sync.RWMutex // held for reading while the engine is used
	closed bool
	db     *pebble.DB
	views  map[*view]bool // open ones
	viewMu sync.Mutex
	hot    hotShare

	building sync.WaitGroup // of filters

	mu    sync.Mutex
	names map[string]*registry
	next  number
}

// registry is what the store knows of one.
type registry struct {
	number number
	about  []byte // the owner's
	open   *table // nil: not open
	m      *lwwmap.Map
	key    []byte    // of its digest
	last   *unsynced // of the table that was open before
}

// Rows of the store itself.
var (
	keyFormat  = append(appendPrefix(nil, 0, 'f'), "ormat"...)
	keyCeiling = append(appendPrefix(nil, 0, 'c'), "eiling"...)
	keyNext    = append(appendPrefix(nil, 0, 'n'), "ext"...)
	keyNames   = appendPrefix(nil, 0, 'r') // then the name: number, and what its owner says of it
	keyNotes   = appendPrefix(nil, 0, 'o') // then a name: the owner's notes
)

// Format is the version of the form of directories that this package writes.
const Format = 1

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

// closeEngine ends the engine, unless it has ended in a way that would make it
// wait for itself.
func (s *Store) closeEngine() error {
	close(s.disk.ended)
	defer s.disk.log.end()
	if s.broken.Load() {
		return nil
	}
	return s.engine(s.db.Close)
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

// get reads one row of the store's own, nil if it is not there.
func (s *Store) get(key []byte) ([]byte, error) { return s.getFrom(s.db, key) }

func (s *Store) getFrom(r pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, s.corrupt(err)
	}
	defer closer.Close()
	return append([]byte{}, v...), nil
}

// put writes one row of the store's own, durably.
func (s *Store) put(key, value []byte) error {
	return s.guard(func() error { return s.db.Set(key, value, pebble.Sync) })
}

// rows calls fn for each row with from <= key < to, until it returns an error.
func (s *Store) rows(r pebble.Reader, from, to []byte, fn func(k, v []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return s.corrupt(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		if err := fn(it.Key(), it.Value()); err != nil {
			_ = it.Close() // fn's error is the one to tell
			return err
		}
	}
	if err := it.Close(); err != nil {
		return s.corrupt(err)
	}
	return nil
}

// Writable returns why nothing should be written now: ErrFull until there is
// room again, ErrFailed or ErrCorrupt for good. To be asked before a step: one
// that fails leaves a map that has to be opened anew.
func (s *Store) Writable() error {
	if err := s.Err(); err != nil {
		return err
	}
	return s.space.check()
}

// use holds off Close while fn works with the engine.
func (s *Store) use(fn func() error) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errors.Join(s.Err(), ErrClosed)
	}
	return fn()
}

// Close makes everything durable and ends the store. Its maps must not be
// written any more; views that are still open answer ErrClosed.
func (s *Store) Close() error {
	var errs []error
	for _, name := range s.Names() {
		errs = append(errs, s.Release(name))
	}
	err := errors.Join(append(errs, s.Flush())...)
	if errors.Is(err, ErrClosed) {
		return nil
	}
	defer s.building.Wait() // they end when they find the store closed
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.viewMu.Lock()
	for v := range s.views {
		v.release()
	}
	s.viewMu.Unlock()
	failed := s.Err()
	if end := s.closeEngine(); failed == nil {
		err = errors.Join(err, end, s.Err())
	}
	if s.lock == nil {
		return err
	}
	return errors.Join(err, s.lock.Close())
}

// Ceiling returns the clock's ceiling as last reserved, zero if never.
func (s *Store) Ceiling() (t hlc.Timestamp, err error) {
	err = s.use(func() error {
		v, err := s.get(keyCeiling)
		if err == nil && len(v) == 8 {
			t = hlc.Timestamp(binary.BigEndian.Uint64(v))
		}
		return err
	})
	return t, err
}

// Reserve makes a ceiling of the clock durable.
func (s *Store) Reserve(t hlc.Timestamp) error {
	return s.use(func() error { return s.put(keyCeiling, binary.BigEndian.AppendUint64(nil, uint64(t))) })
}

// Note returns what was last written under a name with SetNote, nil if nothing.
func (s *Store) Note(name string) (v []byte, err error) {
	err = s.use(func() (err error) {
		v, err = s.get(named(keyNotes, name))
		return err
	})
	return v, err
}

// SetNote keeps a few bytes of the owner's, durably.
func (s *Store) SetNote(name string, value []byte) error {
	return s.use(func() error { return s.put(named(keyNotes, name), value) })
}

// Names returns the names of the registries kept, in ascending order.
func (s *Store) Names() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.names {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// About returns what the registry's owner said of it when it was made.
func (s *Store) About(name string) (about []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.names[name]
	if !ok {
		return nil, false
	}
	return r.about, true
}

// Map opens the map of a registry, or makes an empty one; about is kept with a
// new one. A map is opened once at a time: its owner says with Drop or Release
// that it is done.
func (s *Store) Map(name string, digestKey, about []byte) (m *lwwmap.Map, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.use(func() error {
		r, known := s.names[name]
		if !known {
			if r, err = s.create(name, about); err != nil {
				return err
			}
		}
		if r.open != nil {
			return fmt.Errorf("store: registry %q is open already", name)
		}
		t, state, err := s.openTable(r.number)
		if err != nil {
			return err
		}
		m = lwwmap.Open(digestKey, t, state)
		r.open, r.m, r.key = t, m, digestKey
		if r.last != nil {
			t.unsynced = r.last
		}
		return nil
	})
	return m, err
}

func (s *Store) create(name string, about []byte) (*registry, error) {
	r := &registry{number: s.next + 1, about: about}
	row := append(binary.BigEndian.AppendUint32(nil, uint32(r.number)), about...)
	err := s.guard(func() error {
		b := s.db.NewBatch()
		_ = b.Set(named(keyNames, name), row, nil)
		_ = b.Set(keyNext, row[:4], nil) // so that a dropped one's number is never used again
		return b.Commit(pebble.Sync)
	})
	if err != nil {
		return nil, err
	}
	s.next, s.names[name] = r.number, r
	return r, nil
}

// Gather lets the steps of a registry's map gather until someone waits for them,
// or there are many: they are visible at once all the same. lock is what its owner
// holds whenever it uses the map, alone when it reads more than single keys.
func (s *Store) Gather(name string, lock sync.Locker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.names[name]; r != nil && r.open != nil {
		r.open.lock = lock
	}
}

// hold locks the map of a registry, where it is open and gathers, and then the store: in this order, for the owner
// of a map may hold its lock when it calls the store. The registry is nil if there is none.
func (s *Store) hold(name string) (r *registry, letGo func()) {
	for {
		s.mu.Lock()
		r = s.names[name]
		if r == nil || r.open == nil || r.open.lock == nil {
			return r, s.mu.Unlock
		}
		t, lock := r.open, r.open.lock
		s.mu.Unlock()
		lock.Lock()
		s.mu.Lock()
		if s.names[name] == r && r.open == t {
			return r, func() { s.mu.Unlock(); lock.Unlock() }
		}
		s.mu.Unlock()
		lock.Unlock()
	}
}

// Release says that the map of a registry is not used any more, nor its lock held.
// What its last Commit left is kept.
func (s *Store) Release(name string) error {
	r, letGo := s.hold(name) // one who waits may be writing what has gathered
	defer letGo()
	if r == nil || r.open == nil {
		return nil
	}
	t := r.open
	r.open, r.last = nil, t.unsynced
	s.hot.tables.Add(-1)
	t.backlog.reset()
	return s.use(func() error {
		if err := t.cut(); err != nil {
			return err
		}
		if err := t.flush(); err != nil {
			return err
		}
		if s.Err() != nil {
			return nil
		}
		return s.guard(t.keepFilter)
	})
}

// Drop takes a registry out, with all it holds. Its map must not be used any more,
// nor its lock held.
func (s *Store) Drop(name string) error {
	r, letGo := s.hold(name)
	defer letGo()
	return s.use(func() error {
		if r == nil {
			return nil
		}
		if t := r.open; t != nil {
			t.drop()
			r.open = nil
			s.hot.tables.Add(-1)
		}
		err := s.guard(func() error {
			b := s.db.NewBatch()
			_ = b.Delete(named(keyNames, name), nil)
			from := binary.BigEndian.AppendUint32(nil, uint32(r.number))
			_ = b.DeleteRange(from, after(from), nil)
			return b.Commit(pebble.Sync)
		})
		if err == nil {
			delete(s.names, name)
		}
		return err
	})
}

// Free returns how many bytes are free on the disk that the directory is on.
func (s *Store) Free() (uint64, error) {
	usage, err := s.space.disk.GetDiskUsage(s.dir)
	return usage.AvailBytes, err
}
