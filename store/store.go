package store

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/hlc"
)

// Options set up a store. The zero value is usable.
type Options struct {
	FS    vfs.FS       // default: the operating system's
	Cache int64        // bytes of memory for what was read or overwritten, default 64 MiB
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

// Free returns how many bytes are free on the disk that the directory is on.
func (s *Store) Free() (uint64, error) {
	usage, err := s.space.disk.GetDiskUsage(s.dir)
	return usage.AvailBytes, err
}
