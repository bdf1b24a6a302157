package minikv

import (
	"context"
	"errors"
	"time"

	"github.com/minikv/minikv/store"
)

// Durability says when a write on a node with a directory returns. In every mode a write leaves the node only
// when it is durable here, so no peer ever holds one that a crash could undo.
type Durability uint8

// Levels of durability.
const (
	// DurabilitySync: when it is on disk. Concurrent writers share an fsync. A crash costs nothing that was
	// acknowledged.
	DurabilitySync Durability = iota
	// DurabilityGroup: the same, but an fsync waits 5 ms for others to join. For disks with slow or costly
	// syncs and many writers; a lone writer gets 200 writes a second at most.
	DurabilityGroup
	// DurabilityAsync: at once. A power cut or kernel crash may cost what was written in the last second, and a
	// crash of the process what the kernel did not have yet; never less recent writes, and never a part of a
	// batch. Where an fsync takes longer than that, writes wait for it, so that there is never more than a second
	// of them to lose.
	DurabilityAsync
)

const (
	groupGather = 5 * time.Millisecond
	flushEvery  = time.Second / 2        // between fsyncs, so that with the fsync it stays within a second
	asyncBehind = 900 * time.Millisecond // a write that is not durable by then is waited for by those that come
)

// String is "sync", "group" or "async".
func (d Durability) String() string {
	switch d {
	case DurabilitySync:
		return "sync"
	case DurabilityGroup:
		return "group"
	case DurabilityAsync:
		return "async"
	}
	return "unknown"
}

// ParseDurability reads what String returns.
func ParseDurability(s string) (Durability, error) {
	for d := DurabilitySync; d <= DurabilityAsync; d++ {
		if d.String() == s {
			return d, nil
		}
	}
	return 0, &Error{Op: "config", Err: detailf(ErrInvalid, "durability %q; it can be sync, group or async", s)}
}

// settle waits until all commits so far are as durable as configured.
func (n *Node) settle() error {
	switch n.cfg.Durability {
	case DurabilityAsync:
		if s := n.store(); s.Behind() < asyncBehind {
			return s.Err()
		}
	case DurabilityGroup:
		return n.store().Wait(groupGather)
	}
	return n.store().Wait(0)
}

// flushes makes durable what nobody waits for: writes under DurabilityAsync, and what peers have sent.
func (n *Node) flushes(ctx context.Context) {
	var again retry
	for tick := time.NewTicker(flushEvery); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case now := <-tick.C:
			_ = n.store().Flush() // a failure stays with the store, which refuses writes until it is renewed
			if n.store().Renewable() && again.due(now) {
				again.done(now, n.renew())
			}
		}
	}
}

// Flush makes all writes so far durable. On a node in memory it does nothing.
func (n *Node) Flush(ctx context.Context) error {
	err := n.withStore(ctx, "flush", (*store.Store).Flush)
	if errors.Is(err, errInMemory) {
		return nil
	}
	return err
}
