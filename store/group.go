package store

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// group is the group commit: one fsync for all who wait when it begins.
type group struct {
	s *Store

	mu      sync.Mutex
	ended   uint64          // steps that have ended
	synced  atomic.Uint64   // of these, durable; changes under mu
	waiting map[*table]bool // have steps that the engine does not know yet
	marks   map[*table]int  // of what the engine has got since the last fsync began, see unsynced
	first   time.Duration   // since began: when the oldest step ended that no fsync covers, done or under way; zero: there is none
	oldest  time.Duration   // the same of those that the fsync under way covers
	leading bool
	done    chan struct{} // closed, and made anew, when an fsync ends
}

// waits counts a step that waits in a table.
func (g *group) waits(t *table) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == nil {
		g.waiting = map[*table]bool{}
	}
	g.waiting[t] = true
	g.ended++
	if g.first == 0 {
		g.first = time.Since(began)
	}
}

// Behind returns for how long the oldest step that gathered has waited to be durable, zero if all are.
func (s *Store) Behind() time.Duration {
	g := &s.group
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.first
	if g.oldest != 0 {
		at = g.oldest
	}
	if at == 0 {
		return 0
	}
	return time.Since(began) - at
}

// made notes that the engine knows the steps of a table. Those of a table
// without a lock are counted here.
func (g *group) made(t *table, steps int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, t)
	if t.lock == nil {
		g.ended += uint64(steps)
		return
	}
	if g.marks == nil {
		g.marks = map[*table]int{}
	}
	g.marks[t] = t.unsynced.end()
}

// Wait returns when all steps that have ended are durable, or why they cannot
// become so. One who finds no fsync under way makes one; gather is how long it
// waits before, for others to come. The owner of a table that gathers must not
// hold its lock.
func (s *Store) Wait(gather time.Duration) error {
	g := &s.group
	g.mu.Lock()
	for step := g.ended; g.synced.Load() < step; {
		if err := s.Err(); err != nil {
			g.mu.Unlock()
			return err
		}
		if !g.leading {
			if err := g.lead(gather); err != nil {
				g.mu.Unlock()
				return err
			}
			continue
		}
		if g.done == nil {
			g.done = make(chan struct{})
		}
		done := g.done
		g.mu.Unlock()
		<-done
		if g.synced.Load() >= step { // most are done, and all wake at once: they need not queue for the lock
			return nil
		}
		g.mu.Lock()
	}
	g.mu.Unlock()
	return nil
}

// lead makes one fsync. The group is locked, but not meanwhile.
func (g *group) lead(gather time.Duration) error {
	g.leading = true
	g.mu.Unlock()
	if gather > 0 {
		time.Sleep(gather)
	} else {
		runtime.Gosched() // whoever could run makes a step that this fsync serves, too
	}
	g.mu.Lock()
	upTo := g.ended
	if g.oldest == 0 { // else the fsync before has failed
		g.oldest = g.first
	}
	g.first = 0
	tables := make([]*table, 0, len(g.waiting))
	for t := range g.waiting {
		tables = append(tables, t)
	}
	marks := g.marks
	g.marks = nil
	g.mu.Unlock()
	err := g.sync(tables)
	g.mu.Lock()
	g.leading = false
	if err == nil {
		g.synced.Store(max(g.synced.Load(), upTo))
		g.oldest = 0
		for t, mark := range marks {
			t.unsynced.durable.Store(int64(mark))
		}
	}
	if g.done != nil {
		close(g.done)
		g.done = nil
	}
	return err
}

// syncOne spares the engine a second commit. The owner goes on while the disk
// works.
func (g *group) syncOne(t *table) error {
	var b *pebble.Batch
	if err := t.flushLocked(&b); err != nil {
		return err
	}
	if b == nil { // somebody else has flushed it meanwhile
		return g.syncAll()
	}
	return g.s.use(func() error {
		return g.s.guard(func() error {
			defer b.Close()
			return b.SyncWait()
		})
	})
}

func (g *group) syncAll() error {
	return g.s.use(func() error {
		return g.s.guard(func() error { return g.s.db.LogData(nil, pebble.Sync) })
	})
}

// flushLocked is flush for one who is not the owner.
func (t *table) flushLocked(synced **pebble.Batch) error {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.s.use(func() error {
		if err := t.flush(synced); err != nil {
			return err
		}
		return t.s.Err()
	})
}

// Flush makes everything durable that has been committed.
func (s *Store) Flush() error { return s.Wait(0) }
