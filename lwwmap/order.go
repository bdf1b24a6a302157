package lwwmap

import (
	"cmp"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// Order is the place of an entry among all entries of its key: fence first,
// then the stamp of the last write under that fence, then the entry's own
// stamp, then the actor. Ties of stamps between nodes are normal under hybrid
// logical clocks; the actor decides them. Equal orders with different contents
// come only from a writer that misbehaves; then the content hash decides, see
// [Record.Compare].
type Order struct {
	Fence Token
	Base  hlc.Timestamp
	Stamp hlc.Timestamp
	Actor crdt.Actor
}

// Compare returns -1, 0 or 1. The higher order wins.
func (o Order) Compare(p Order) int {
	if o.Fence != p.Fence {
		return o.Fence.Compare(p.Fence)
	}
	if c := cmp.Compare(o.Base, p.Base); c != 0 {
		return c
	}
	if c := cmp.Compare(o.Stamp, p.Stamp); c != 0 {
		return c
	}
	return o.compareActor(p)
}

// IsZero says whether o lies below every entry.
func (o Order) IsZero() bool { return o == Order{} }
