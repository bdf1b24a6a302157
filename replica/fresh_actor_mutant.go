//go:build mutant_actor_reused

package replica

import (
	"encoding/binary"

	"github.com/minikv/minikv/crdt"
)

// A planted bug: a node writes as the same actor each time it is opened, so
// after a crash or a rollback it issues the same dots again.
func (r *Replica) freshNonce(above crdt.Actor, try int) (n actorNonce) {
	binary.BigEndian.PutUint64(n[:8], uint64(above))
	binary.BigEndian.PutUint64(n[8:], uint64(try))
	return n
}
