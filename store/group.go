package store

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// group is the group commit: one fsync for all who wait when it begins.
type group struct {
	s *Store

	mu      sync.Mutex
	applied uint64 // commits made
	synced  uint64 // of these, durable
	leading bool
	done    chan struct{} // closed, and made anew, when an fsync ends
}

// made counts a commit and returns its number.
func (g *group) made() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.applied++
	return g.applied
}

// Commits returns the number of the last commit of any map.
func (s *Store) Commits() uint64 {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	return s.group.applied
}

// Wait returns when the commits up to a number are durable, or why they cannot
// become so. One who finds no fsync under way makes one; gather is how long it
// waits before, for others to come.
func (s *Store) Wait(commit uint64, gather time.Duration) error {
	g := &s.group
	g.mu.Lock()
	for g.synced < commit {
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
	}
	g.mu.Lock()
	upTo := g.applied
	g.mu.Unlock()
	err := g.s.use(func() error {
		return g.s.guard(func() error { return g.s.db.LogData(nil, pebble.Sync) })
	})
	g.mu.Lock()
	g.leading = false
	if err == nil {
		g.synced = max(g.synced, upTo)
	}
	if g.done != nil {
		close(g.done)
		g.done = nil
	}
	return err
}

// Flush makes everything durable that has been committed.
func (s *Store) Flush() error { return s.Wait(s.Commits(), 0) }
