package minikv

import (
	"context"

	"github.com/minikv/minikv/store"
)

// Compact gives the disk back what deletes, expiry and overwriting have freed. The engine does so by and by; this
// does it now, reads and writes all that is kept, and returns when it is done. Tombstones stay until
// Config.TombstoneRetention is over. Reads and writes go on. [ErrInvalid] on a node in memory.
func (n *Node) Compact(ctx context.Context) error {
	return n.withStore(ctx, "compact", func(s *store.Store) error { return s.Compact(ctx) })
}
