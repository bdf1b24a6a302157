package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// kept is what the map of a failed store has beyond the disk.
type kept struct {
	name     string
	m        *lwwmap.Map
	table    *table
	key      []byte
	rows     []lwwmap.Row
	context  *crdt.Context
	horizons lwwmap.Horizons
	clock    hlc.Timestamp
}

// Renew opens the directory of a store that has failed anew, once its disk is well
// again, and returns the store to go on with; this one is closed then. The maps
// stay as they are, and stand on the new one: what they have taken in and the disk
// has not is carried over, and is durable afterwards. So no dot is issued twice.
// The owner holds the locks of all maps. Their snapshots end, as do saves.
//
// On an error everything is as before, and Renew may be called again. It is
// ErrCorrupt, or what Err returns, where a store cannot be renewed: then it has to
// be closed and opened.
func (s *Store) Renew() (*Store, error) {
	s.mu.Lock()
	fresh, err := s.renewed()
	if err == nil {
		s.leave()
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	_ = s.Close() // it has failed, and all that it had is in the other
	return fresh, nil
}

// Renewable says whether Renew may be of use: the store has failed, and not in a way
// that leaves nothing to go on with.
func (s *Store) Renewable() bool {
	err := s.Err()
	return err != nil && !s.broken.Load() && !errors.Is(err, ErrCorrupt)
}

func (s *Store) renewed() (*Store, error) {
	if !s.Renewable() {
		return nil, s.Err()
	}
	if err := s.Probe(); err != nil {
		return nil, err
	}
	kept, err := s.keep()
	if err != nil {
		return nil, err
	}
	fresh := s.sibling()
	if err := fresh.openLocked(); err != nil {
		return nil, err
	}
	maps := make([]*lwwmap.Map, len(kept))
	for i := range kept {
		if maps[i], err = fresh.carry(&kept[i]); err != nil {
			break
		}
	}
	if err == nil {
		err = fresh.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	for i := range kept {
		kept[i].m.Become(maps[i])
		fresh.names[kept[i].name].m = kept[i].m
		fresh.Gather(kept[i].name, kept[i].table.lock)
	}
	fresh.lock, s.lock = s.lock, nil
	return fresh, nil
}

// leave gives the maps up, which stand on another store now.
func (s *Store) leave() {
	for _, r := range s.names {
		if t := r.open; t != nil {
			t.discard()
			t.backlog.reset()
			r.open = nil
		}
	}
}

// sibling returns a store for the same directory, to be opened while this one has
// its lock.
func (s *Store) sibling() *Store {
	f := &Store{dir: s.dir, fs: s.fs, log: s.log, names: map[string]*registry{}, views: map[*view]bool{}}
	f.tune, f.folded, f.unsent, f.cache, f.beside = s.tune, s.folded, s.unsent, s.cache, true
	f.hot.bytes = s.hot.bytes
	f.setDisk()
	return f
}

// probeName is a file that is written to see whether the disk is well.
const probeName = "minikv.probe"

// Probe returns why the disk cannot be written, nil if it can: ErrFull or ErrFailed. To be asked before the locks
// are taken that Renew needs, for a disk may take its time.
func (s *Store) Probe() error {
	var sp space
	sp.disk = newDisk(s, s.fs)
	if err := sp.check(); err != nil {
		return err
	}
	path := s.fs.PathJoin(s.dir, probeName)
	f, err := s.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(make([]byte, 64<<10))
		err = errors.Join(err, f.Sync(), f.Close(), s.fs.Remove(path), syncDir(s.fs, s.dir))
	}
	if isFull(err) {
		return fmt.Errorf("%w: %s: %w", ErrFull, s.dir, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFailed, s.dir, err)
	}
	return nil
}

// keep reads from all maps what the disk may not have.
func (s *Store) keep() (all []kept, err error) {
	for name, r := range s.names {
		t := r.open
		if t == nil {
			continue
		}
		if t.lock == nil || t.inStep {
			return nil, fmt.Errorf("store: registry %q is in the midst of a step", name)
		}
		k := kept{
			name: name, m: r.m, table: t, key: r.key,
			context: r.m.Context().Clone(), horizons: r.m.Horizons(), clock: r.m.Clock(),
		}
		seen := map[place]bool{}
		for _, p := range t.unsynced.places {
			if !seen[p] {
				seen[p] = true
				k.rows = append(k.rows, lwwmap.Row{Kind: p.kind, Key: p.key, Now: r.m.Get(p.kind, p.key)})
			}
		}
		if err := r.m.Err(); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

// carry opens the map of a registry and brings it to where the other one was.
func (s *Store) carry(k *kept) (*lwwmap.Map, error) {
	if s.names[k.name] == nil {
		return nil, fmt.Errorf("%w: %s: registry %q is gone", ErrCorrupt, s.dir, k.name)
	}
	m, err := s.Map(k.name, k.key, nil)
	if err != nil {
		return nil, err
	}
	m.CatchUp(k.rows, k.context, &k.horizons, k.clock)
	if err := errors.Join(m.Commit(), m.Err()); err != nil {
		return nil, err
	}
	if m.Root() != k.m.Root() || m.Bytes() != k.m.Bytes() {
		return nil, fmt.Errorf("%w: %s: registry %q is not on the disk as it was", ErrCorrupt, s.dir, k.name)
	}
	return m, nil
}
