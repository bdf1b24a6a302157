package lwwmap

import (
	"fmt"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// Kind says what an entry is about. Entries of different kinds never meet: a
// key may have one of each.
type Kind uint8

const (
	Data   Kind = 1 // a value that a user put
	Lease  Kind = 2 // the lease on a key
	Origin Kind = 3 // which peer writes as an actor; the key is the actor's 8 bytes
)

const kinds = 3

// Valid says whether k is a kind that this version knows.
func (k Kind) Valid() bool { return k >= Data && k <= Origin }

func (k Kind) String() string {
	switch k {
	case Data:
		return "data"
	case Lease:
		return "lease"
	case Origin:
		return "origin"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Limits of the packed form. What a node accepts is set by its configuration
// and lies below them.
const (
	MaxKeyLen   = 1<<16 - 1
	MaxValueLen = 1<<31 - 1
)

// Entry is one write, in the open. Key and Value are shared, not copied.
type Entry struct {
	Kind    Kind
	Key     string
	Value   []byte
	Dot     crdt.Dot      // who wrote it, and the how-manieth write of that actor
	Stamp   hlc.Timestamp // when
	Fence   Token         // lease under which the key was last written
	Base    hlc.Timestamp // stamp of that write
	Expires hlc.Timestamp // zero: never
	Deleted bool          // a tombstone; has no value
}

// Order returns the entry's place among the entries of its key.
func (e *Entry) Order() Order {
	return Order{Fence: e.Fence, Base: e.Base, Stamp: e.Stamp, Actor: e.Dot.Actor}
}

// Dead says whether the entry shows no value at the given time: a tombstone,
// or expired at or before it.
func (e *Entry) Dead(at hlc.Timestamp) bool {
	return e.Deleted || (e.Expires != 0 && e.Expires <= at)
}
