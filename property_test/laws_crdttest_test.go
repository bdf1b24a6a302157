package property_test

import (
	"testing"

	"github.com/minikv/minikv/crdt/crdttest"
	"pgregory.net/rapid"
)

// spec describes lwwmap.Map to the law checker: writes, with their entry as the
// delta. Collection is left out: it makes the join depend on its order where
// late writes are concerned, see TestLawAssociativeAboveTheHorizon.
func spec() crdttest.Spec[*state] {
	return crdttest.Spec[*state]{
		New: newState,
		Mutate: func(t *rapid.T, s *state, _ int) (next, d *state) {
			n := anyStep.Filter(func(n step) bool { return n.kind() < stepCollect }).Draw(t, "write")
			e, ok := s.write(n)
			if !ok {
				return s, newState(0)
			}
			return s, delta(e)
		},
		Join: func(a, b *state) *state {
			a.Map.Join(b.Map)
			a.clock = max(a.clock, b.clock)
			return a
		},
		Equal:     func(a, b *state) bool { return a.Map.Equal(b.Map) },
		Clone:     (*state).clone,
		Encode:    (*state).encode,
		Decode:    decodeState,
		Canonical: true,
		Show:      (*state).String,
		Classify: func(a, b *state) (names []string) {
			seen := shares{}
			if seen.see(a, b); seen.ties > 0 {
				names = append(names, "tie")
			}
			if seen.tombstones > 0 {
				names = append(names, "tombstone")
			}
			return names
		},
		Require: map[string]float64{"tie": 0.3, "tombstone": 0.2, "concurrent": 0.5},
	}
}

func TestMapKeepsTheLawsOfACRDT(t *testing.T) {
	crdttest.Check(t, spec())
}
