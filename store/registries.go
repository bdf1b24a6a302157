package store

import (
	"encoding/binary"
	"fmt"
	"sort"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/lwwmap"
)

// registry is what the store knows of one.
type registry struct {
	number number
	about  []byte // the owner's
	open   *table // nil: not open
	m      *lwwmap.Map
	key    []byte    // of its digest
	last   *unsynced // of the table that was open before
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
