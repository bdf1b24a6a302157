package replica

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Version of the session protocol and of deltas. A peer that speaks another
// one is told so and left alone.
const Version = 1

// Frame is a message of a session: one of Hello, Contexts, Entries, Status,
// Tops, Leaves, Items or Finish.
type Frame interface{ frameType() uint8 }

// Hello opens a session. All of a session is judged at the later of the two
// wall clocks: what has expired by then counts as dead on both sides.
type Hello struct {
	Version  uint64
	Registry string
	Clock    hlc.Timestamp // not below any stamp that the sender has seen
	Wall     hlc.Timestamp // by which the sender judges expiry: never above Clock, and without ticks
	Keys     uint64        // entries held, for progress
	State    lwwmap.Digest // of all that the sender holds and has seen: equal on equal replicas
	Wants    []crdt.Span   // a dialler's that asks for these writes and for nothing else; it tells no state
}

// Contexts tells what the sender has seen; the last part of it carries the
// horizons.
type Contexts struct {
	Spans    []crdt.Span
	Last     bool
	Horizons lwwmap.Horizons
}

// Entries carries entries that the receiver has not seen or, with Despite, has
// seen but should take all the same. Last ends the sender's first round.
type Entries struct {
	Despite bool
	Last    bool
	Entries []lwwmap.Entry
}

// Status tells what the sender makes of the join so far. Two statuses that
// count each other's entries in full can be compared.
type Status struct {
	Root    lwwmap.Digest
	Round   uint64 // of audit; zero before the first
	Sent    uint64 // entries, since the session began
	Got     uint64
	Refused uint64 // of those got
}

// Tops opens a round of audit: the dialler's digests of the 256 tops.
type Tops struct{ Sums []TopSum }

// TopSum is the digest of one top of the digest tree.
type TopSum struct {
	Top byte
	Sum lwwmap.Digest
}

// Leaves answers Tops: all buckets that are not empty, of the tops that differ.
type Leaves struct {
	Tops []byte // those that differ
	Sums []LeafSum
}

// LeafSum is the digest of one bucket.
type LeafSum struct {
	Bucket lwwmap.Bucket
	Sum    lwwmap.Digest
}

// Items lists all that the sender holds in the buckets under audit.
type Items struct {
	Buckets []lwwmap.Bucket // in the dialler's first frame of a round: what is audited
	Items   []KeyItem
	Last    bool
}

// KeyItem is what a join has to know of an entry.
type KeyItem struct {
	Kind lwwmap.Kind
	Key  string
	lwwmap.Item
}

// Finish ends a session that the sender holds to be over.
type Finish struct {
	State State
	Why   string // for people, where State is Failed or Unverified
}

func (*Hello) frameType() uint8    { return 1 }
func (*Contexts) frameType() uint8 { return 2 }
func (*Entries) frameType() uint8  { return 3 }
func (*Status) frameType() uint8   { return 4 }
func (*Tops) frameType() uint8     { return 5 }
func (*Leaves) frameType() uint8   { return 6 }
func (*Items) frameType() uint8    { return 7 }
func (*Finish) frameType() uint8   { return 8 }
