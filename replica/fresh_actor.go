//go:build !mutant_actor_reused

package replica

import (
	"math"

	"github.com/minikv/minikv/crdt"
)

// freshActor draws an actor above the given one, which no other has.
func (r *Replica) freshActor(above crdt.Actor) crdt.Actor {
	return above + 1 + crdt.Actor(r.cfg.Rand.Uint64N(math.MaxUint64-uint64(above)))
}
