//go:build !mutant_actor_reused

package replica

import (
	"encoding/binary"

	"github.com/minikv/minikv/crdt"
)

// freshNonce draws what makes an actor of this replica another one than all before.
func (r *Replica) freshNonce(crdt.Actor, int) (n actorNonce) {
	binary.BigEndian.PutUint64(n[:8], r.cfg.Rand.Uint64())
	binary.BigEndian.PutUint64(n[8:], r.cfg.Rand.Uint64())
	return n
}
