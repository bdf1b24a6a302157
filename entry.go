package minikv

import (
	"encoding/hex"
	"time"
)

// PeerID is the identity of a node: the text form of a libp2p peer id.
type PeerID string

// Entry is one key of a registry as it was when it was read. The caller owns it, Value included.
type Entry struct {
	Key     string
	Value   []byte    // nil in events that tell of a key's end
	Rev     Revision  // of the last write, which may have been an Expire or Persist
	Expires time.Time // in whole milliseconds; zero: never
	Writer  PeerID    // the node that wrote it last; empty while that is not known here
	Lock    *LockInfo // nil: not locked
	Under   Token     // of the lease it was written under, as far as the entry tells; zero: none
}

// Digest is a fingerprint of a registry's content, see [Registry.Root].
type Digest [16]byte

// String has 32 lower-case hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }
