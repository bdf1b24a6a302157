package store

import (
	"bytes"
	"context"
	"errors"
	"sort"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Stats say what a store takes.
type Stats struct {
	Disk   int64 // bytes of all files
	Log    int64 // of these, in logs: bounded, and used again
	Memory int64 // bytes of memory for what was read, and for what is not yet in tables

	Compactions uint64 // done since it was opened
	Debt        int64  // bytes that compaction has still to write, as the engine estimates
}

// Stats returns what the store takes at the moment, zero when it is closed. It
// asks the file system for the length of each file.
func (s *Store) Stats() (st Stats) {
	_ = s.use(func() error { // closed: zero
		m := s.db.Metrics()
		st.Memory = m.BlockCache.Size + int64(m.MemTable.Size)
		st.Compactions, st.Debt = uint64(m.Compact.Count), int64(m.Compact.EstimatedDebt)
		names, err := s.disk.FS.List(s.dir)
		for _, name := range names {
			info, err := s.disk.FS.Stat(s.disk.FS.PathJoin(s.dir, name))
			if err != nil || info.IsDir() {
				continue // it has gone since, or is not the store's
			}
			st.Disk += info.Size()
			if isLog(name) {
				st.Log += info.Size()
			}
		}
		return err
	})
	return st
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// Compact gives back the space of what was overwritten, deleted and forgotten:
// it folds journals, writes tables anew, and empties logs that are kept for use
// again. It needs as much room as the data takes, and reads and writes slow down
// meanwhile. Close waits for it; end its context before. The locks of maps that
// gather must not be held.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.Flush(); err != nil {
		return err
	}
	for _, name := range s.Names() {
		if err := s.foldRegistry(name); err != nil {
			return err
		}
	}
	return s.use(func() error {
		return s.guardOr(ctx, func() error {
			if err := s.newLog(); err != nil {
				return err
			}
			if err := s.db.Compact(ctx, []byte{0}, append(keyLast, 0xff), false); err != nil {
				return err
			}
			s.awaitRemoval(ctx)
			return s.emptyLogs()
		})
	})
}

// awaitRemoval waits until the engine has removed the tables that are not in use.
func (s *Store) awaitRemoval(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, removalTime)
	defer cancel()
	for s.db.Metrics().Table.ObsoleteCount > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(removalTime / 1000):
		}
	}
}

// removalTime is how long removing tables may take; after that it goes on behind
// Compact.
const removalTime = 10 * time.Second

// guardOr is guard for what may end with a context: that is no failure.
func (s *Store) guardOr(ctx context.Context, write func() error) error {
	var ended error
	err := s.guard(func() error {
		err := write()
		if ctx.Err() != nil {
			ended, err = ctx.Err(), nil
		}
		return err
	})
	if err == nil {
		err = ended
	}
	return err
}

// foldRegistry writes the checkpoint of a registry. One that is open without a
// lock is left as it is.
func (s *Store) foldRegistry(name string) error {
	r, letGo := s.hold(name)
	defer letGo()
	if r == nil || r.open != nil && r.open.lock == nil {
		return nil
	}
	t := r.open
	if t == nil {
		t = &table{view: view{s: s, number: r.number}}
	}
	return s.use(func() error {
		if err := t.flush(); err != nil {
			return err
		}
		now := &table{view: view{s: s, number: r.number}}
		state, err := now.loadState(s.db)
		if err != nil || now.unfolded == 0 {
			return err
		}
		return s.guard(func() error {
			b := s.db.NewBatch()
			if err := now.fold(b, &state); err != nil {
				return err
			}
			t.unfolded, t.dirty = 0, now.dirty
			return b.Commit(nil)
		})
	})
}

// keyLast is behind all rows.
var keyLast = bytes.Repeat([]byte{0xff}, prefixLen)

// newLog lets the engine begin a log that is short: the one it has may be written
// over a long one, and so may the next.
func (s *Store) newLog() error {
	if err := s.db.Flush(); err != nil {
		return err
	}
	if err := s.emptyLogs(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	if err := errors.Join(b.Set(keyFormat, []byte{Format}, nil), b.Delete(keyLast, nil), b.Commit(pebble.NoSync)); err != nil {
		return err // without a change it would not begin one
	}
	return s.db.Flush()
}

// emptyLogs empties the logs that the engine keeps to write over them: each may
// be as long as what it holds in memory.
func (s *Store) emptyLogs() error {
	names, err := s.disk.FS.List(s.dir)
	if err != nil {
		return nil // no harm done
	}
	var logs []string
	for _, name := range names {
		if isLog(name) {
			logs = append(logs, name)
		}
	}
	sort.Slice(logs, func(i, j int) bool {
		return len(logs[i]) < len(logs[j]) || len(logs[i]) == len(logs[j]) && logs[i] < logs[j]
	})
	inUse := int(s.db.Metrics().WAL.Files) // asked after the list: one that came since is not in it
	for _, name := range logs[:max(0, len(logs)-inUse)] {
		if err := s.disk.empty(s.disk.FS.PathJoin(s.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// empty cuts a log that is not in use.
func (d *disk) empty(path string) error {
	d.reuse.Lock()
	defer d.reuse.Unlock()
	if _, err := d.FS.Stat(path); err != nil || d.stopped() {
		return nil // it is in use again, under another name
	}
	f, err := d.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return f.Close()
}
