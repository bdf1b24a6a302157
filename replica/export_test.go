package replica

import "github.com/minikv/minikv/crdt"

// What tests see of the inside.
const MaxForks = maxForks

func (r *Replica) MintActor(at Instant, above crdt.Actor) error { return r.mintActor(at, above) }
