//go:build mutant_actor_reused

package replica

import (
	"hash/fnv"

	"github.com/minikv/minikv/crdt"
)

// A planted bug: a node writes as the same actor each time it is opened, so
// after a crash or a rollback it issues the same dots again.
func (r *Replica) freshActor(above crdt.Actor) crdt.Actor {
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.cfg.Peer))
	return max(above+1, crdt.Actor(h.Sum64()))
}
