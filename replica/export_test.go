package replica

import (
	"testing"

	"github.com/minikv/minikv/crdt"
)

// What tests see of the inside.
const MaxForks = maxForks

func (r *Replica) MintActor(at Instant, above crdt.Actor) error { return r.mintActor(at, above) }

// SetMaxContext lowers a bound for the time of a test.
func SetMaxContext(t testing.TB, n int) { set(t, &maxContext, n) }

func set[T any](t testing.TB, limit *T, n T) {
	was := *limit
	*limit = n
	t.Cleanup(func() { *limit = was })
}

func SetMaxOverlay(t testing.TB, n int)    { set(t, &maxOverlay, n) }
func SetMaxRoundItems(t testing.TB, n int) { set(t, &maxRoundItems, n) }

func (r *Replica) Gaps() int { return len(r.peers.gaps) }

func SetMaxHeld(t testing.TB, n int) {
	set(t, &maxHeld, n)
	set(t, &maxProven, n+n/2)
}

func SetMaxGhosts(t testing.TB, n int) { set(t, &maxGhosts, n) }

func (r *Replica) Inventive() int { return len(r.newcomers) }
