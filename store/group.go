package store

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// group is the group commit: one fsync for all who wait when it begins. Who comes
// while it is under way waits for the next, which one of them makes as soon as the
// first is over.
type group struct {
	s *Store

	mu      sync.Mutex
	ended   uint64          // steps that have ended
	synced  atomic.Uint64   // of these, durable; changes under mu
	serving uint64          // of these, durable when the fsync that is under way has ended
	waiting map[*table]bool // have steps that the engine does not know yet
	marks   map[*table]int  // of what the engine has got since the last fsync began, see unsynced
	first   time.Duration   // since began: when the oldest step ended that no fsync covers, done or under way; zero: there is none
	oldest  time.Duration   // the same of those that the fsync under way covers
	leading bool            // somebody makes an fsync, or is about to
	now     []*flock        // wait for the fsync that is under way
	next    *flock          // waits for the one after it; nil: nobody does
}

// flock are those who wait for one fsync.
type flock struct {
	done chan struct{} // closed when it has ended
	lead chan struct{} // capacity 1: one of them is to make it
}

func newFlock() *flock { return &flock{done: make(chan struct{}), lead: make(chan struct{}, 1)} }

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

// made notes that the engine knows the steps of a table, or is about to. Those of a
// table without a lock are counted here.
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
			g.wakeAll()
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
		f := g.flock(step)
		g.mu.Unlock()
		select {
		case <-f.done:
			if g.synced.Load() >= step { // a whole flock wakes at once: they need not queue for the lock
				return nil
			}
		case <-f.lead:
		}
		g.mu.Lock()
	}
	g.mu.Unlock()
	return nil
}

// flock returns whom one joins who waits for a step.
func (g *group) flock(step uint64) *flock {
	if step > g.serving {
		if g.next == nil {
			g.next = newFlock()
		}
		return g.next
	}
	if len(g.now) == 0 {
		g.now = append(g.now, newFlock())
	}
	return g.now[0]
}

// wake lets those who wait for the fsync that was under way look again.
func (g *group) wake() {
	for _, f := range g.now {
		close(f.done)
	}
	clear(g.now)
	g.now = g.now[:0]
}

// wakeAll lets all look again, for nothing will become durable any more.
func (g *group) wakeAll() {
	if g.next != nil {
		g.now, g.next = append(g.now, g.next), nil
	}
	g.wake()
}

// yields is how often one who makes an fsync lets others run before: whoever could
// run makes a step that this fsync serves, too. With 64 writers in a loop it serves
// 35 of them with 1, and 59 with 3.
const yields = 3

// lead makes one fsync. The group is locked, but not meanwhile.
func (g *group) lead(gather time.Duration) error {
	g.leading = true
	g.mu.Unlock()
	if gather > 0 {
		time.Sleep(gather)
	} else {
		for range yields {
			runtime.Gosched()
		}
	}
	g.mu.Lock()
	g.admit()
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
	if err != nil {
		g.wakeAll()
		return err
	}
	g.synced.Store(max(g.synced.Load(), g.serving))
	g.oldest = 0
	for t, mark := range marks {
		t.unsynced.durable.Store(int64(mark))
	}
	if g.next != nil {
		g.next.lead <- struct{}{}
	}
	g.wake()
	return nil
}

// admit lets all who have come wait for the fsync that is about to begin: it serves
// all steps that have ended.
func (g *group) admit() {
	g.serving = g.ended
	if g.oldest == 0 { // else the fsync before has failed, or some were admitted before
		g.oldest = g.first
	}
	g.first = 0
	if g.next != nil {
		g.now, g.next = append(g.now, g.next), nil
	}
}

// admitLate is admit for one who has taken out the steps of a table, holds its lock,
// and is about to give them to the engine, unless others' steps are to follow.
func (g *group) admitLate() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.admit()
	}
}

// syncOne spares the engine a second commit. The owner goes on while the engine and
// the disk work.
func (g *group) syncOne(t *table) error {
	b, err := t.handOver()
	if err != nil {
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
func (t *table) flushLocked() error {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.s.use(func() error {
		if err := t.flush(); err != nil {
			return err
		}
		return t.s.Err()
	})
}

// Flush makes everything durable that has been committed.
func (s *Store) Flush() error { return s.Wait(0) }
