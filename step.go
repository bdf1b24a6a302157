package minikv

import (
	"context"
	"fmt"
	"sync"
)

// stepMutex guards a registry. What happens between Lock and Unlock is a step: on a node with a directory
// its changes are committed together, before anyone else sees them, or not at all.
type stepMutex struct {
	sync.RWMutex
	commit func() // nil: in memory
}

// Unlock ends the step.
func (m *stepMutex) Unlock() {
	if m.commit != nil {
		m.commit()
	}
	m.RWMutex.Unlock()
}

// lockToWalk is RLock for reading in order, and returns what ends it. On a node with a directory the engine
// has to be told first of what it has not seen yet; so this is Lock there.
func (m *stepMutex) lockToWalk() (unlock func()) {
	if m.commit == nil {
		m.RLock()
		return m.RUnlock
	}
	m.Lock()
	return m.Unlock
}

// commit makes the changes of a step visible; they are durable when settle has returned. After an error the
// registry takes nothing in until the store has been renewed or, where that cannot help, the node opened anew.
func (r *Registry) commit() {
	if r.err != nil {
		return
	}
	r.m.Observe(r.node.clock.Last())
	if err := r.m.Commit(); err != nil && r.broken.Load() == nil {
		err := fmt.Errorf("the registry takes no more writes: %w", err)
		r.broken.Store(&err)
		r.node.cfg.Logger.Error("a step could not be committed", "registry", r.name, "err", err)
	}
}

// writable returns why nothing may change now. To be asked before a step, which cannot be taken back. The
// registry is locked.
func (r *Registry) writable() error {
	if r.err != nil {
		return r.err
	}
	if err := r.broken.Load(); err != nil {
		return *err
	}
	if s := r.node.store(); s != nil {
		return s.Writable()
	}
	return nil
}

// settle ends an operation whose step is over: it waits until the step is as durable as Config.Durability says,
// unless there was an error, and only then has what was written published. So the pump seldom waits for the disk,
// and does not come between a writer and its fsync.
func (r *Registry) settle(err error) error {
	defer r.link.kick()
	if err != nil || r.node.store() == nil {
		return err
	}
	if err := r.broken.Load(); err != nil {
		return *err
	}
	return r.node.settle()
}

// settleUnless is settle, or only the error where the caller waits later.
func (r *Registry) settleUnless(later bool, err error) error {
	if later {
		r.link.kick()
		return err
	}
	return r.settle(err)
}

// Settle waits until all writes made so far are as durable as Config.Durability says, those under [NoWait]
// included. On an error some of them may be lost. In memory it returns nil at once.
func (r *Registry) Settle(ctx context.Context) error {
	if err := checkContext(ctx); err != nil {
		return r.wrap("settle", "", err)
	}
	return r.wrap("settle", "", r.settle(nil))
}

// sendable waits until all that has been committed is durable. To be called before a word of it leaves the
// node: so no peer ever holds a write that a crash here could undo.
func (r *Registry) sendable() error {
	s := r.node.store()
	if s == nil {
		return nil
	}
	return s.Wait(0)
}

// mayTake is writable for one who does not hold the lock.
func (r *Registry) mayTake() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.writable()
}
