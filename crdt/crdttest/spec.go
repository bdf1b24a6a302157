package crdttest

import (
	"errors"
	"fmt"
	"math"

	"github.com/minikv/minikv/crdt"
	"pgregory.net/rapid"
)

const (
	defaultReplicas = 3
	maxReplicas     = 64
)

// Spec describes a replicated type with states of type S to Check. New and Mutate are required, and Join and Equal
// unless S has the methods of crdt.Lattice.
//
// The functions must depend on nothing but their arguments and what they draw from t: a counter or a clock outside
// would make failures impossible to replay. They are called from one goroutine at a time.
type Spec[S any] struct {
	// New returns the state of a replica that has seen nothing. Replicas are numbered from 0. If the state
	// carries the number of its replica, Join must keep that of its first argument and Equal must ignore it.
	New func(replica int) S

	// Mutate draws one of the type's operations, applies it to s as the given replica and returns the new state
	// and its delta: a state that, joined with s, gives the new one. A type without deltas returns the new
	// state twice (with a clone, if it is mutable). s is always the latest state of that replica. Mutate may change s.
	// An operation without effect returns s and an empty state, New(replica) for instance.
	//
	// Draw from few values, so that replicas get in each other's way.
	Mutate func(t *rapid.T, s S, replica int) (next, delta S)

	// Join returns the least state that contains both. It may change a and return it, but must not change b or
	// keep memory of it. Nil stands for the Join of crdt.Lattice, a.Join(b).
	Join func(a, b S) S

	// Equal reports whether two states are the same. Nil stands for the Equal of crdt.Lattice, a.Equal(b).
	Equal func(a, b S) bool

	// Clone returns a copy that shares nothing that can be changed. Nil means that states are plain values which
	// Mutate and Join never change, not even their first argument.
	Clone func(S) S

	// Encode and Decode, if set, are tested as a pair, and replicas exchange encoded messages. Canonical
	// says that equal states must have equal bytes, for those who compare or hash them.
	Encode    func(S) ([]byte, error)
	Decode    func([]byte) (S, error)
	Canonical bool

	// Show returns the text of a state in failure messages, and must return the same text for the same state. Nil
	// stands for the format %+v.
	Show func(S) string

	// Classify, if set, names what is special about two states that are about to be joined, for example "tie". A
	// case counts once for each name that came up in it. The checker itself names "concurrent" (neither
	// state contains the other), "ordered" (one contains the other), "equal", and "no-op" (a mutation that
	// changed nothing).
	Classify func(a, b S) []string

	// Require gives the least share of cases, from 0 to 1, in which a name must have come up. Chance is allowed for:
	// the check fails if the share found is more than three standard deviations below.
	Require map[string]float64

	// Replicas is the highest number of replicas in a case; the lowest is 2. Zero means 3; at most 64.
	Replicas int
}

// complete fills in the defaults. The error says what the caller forgot.
func (s Spec[S]) complete() (*Spec[S], error) {
	if s.New == nil || s.Mutate == nil {
		return nil, errors.New("Spec.New and Spec.Mutate are required")
	}
	_, lattice := any(s.New(0)).(crdt.Lattice[S])
	if !lattice && (s.Join == nil || s.Equal == nil) {
		return nil, fmt.Errorf("set Spec.Join and Spec.Equal, or give %T the methods of crdt.Lattice", s.New(0))
	}
	if (s.Encode == nil) != (s.Decode == nil) {
		return nil, errors.New("set both Spec.Encode and Spec.Decode, or neither")
	}
	if s.Canonical && s.Encode == nil {
		return nil, errors.New("Spec.Canonical needs Spec.Encode and Spec.Decode")
	}
	if s.Replicas != 0 && (s.Replicas < 2 || s.Replicas > maxReplicas) {
		return nil, fmt.Errorf("Spec.Replicas is %d, want 2 to %d, or 0 for %d", s.Replicas, maxReplicas, defaultReplicas)
	}
	for name, share := range s.Require {
		if math.IsNaN(share) || share < 0 || share > 1 {
			return nil, fmt.Errorf("Spec.Require[%q] is %v, want a share from 0 to 1", name, share)
		}
	}
	s.setDefaults()
	return &s, nil
}

func (s *Spec[S]) setDefaults() {
	if s.Join == nil {
		s.Join = func(a, b S) S { return any(a).(crdt.Lattice[S]).Join(b) }
	}
	if s.Equal == nil {
		s.Equal = func(a, b S) bool { return any(a).(crdt.Lattice[S]).Equal(b) }
	}
	if s.Show == nil {
		s.Show = func(x S) string { return fmt.Sprintf("%+v", x) }
	}
	if s.Classify == nil {
		s.Classify = func(a, b S) []string { return nil }
	}
	if s.Replicas == 0 {
		s.Replicas = defaultReplicas
	}
}

// clone returns a copy that the type's functions may change. Without Clone they promise not to change anything.
func (s *Spec[S]) clone(x S) S {
	if s.Clone == nil {
		return x
	}
	return s.Clone(x)
}
