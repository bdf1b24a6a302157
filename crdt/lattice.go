package crdt

// Lattice is a replicated type: a state that can be joined with another of its kind.
//
// Join returns the least state that contains both. It is commutative, associative and idempotent, and changes
// neither its receiver nor its argument. Equal reports whether two states are the same; it must tell
// apart any two states that behave differently. Package crdttest checks these laws.
type Lattice[S any] interface {
	Join(S) S
	Equal(S) bool
}
