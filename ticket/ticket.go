package ticket

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Rights say what the holder of a ticket may do. The higher ones include the lower.
type Rights uint8

// The rights that a ticket can grant.
const (
	Read  Rights = 1 // read everything
	Write Rights = 2 // write, too
	Owner Rights = 3 // and make tickets
)

// String gives "read", "write" or "owner".
func (r Rights) String() string {
	switch r {
	case Read:
		return "read"
	case Write:
		return "write"
	case Owner:
		return "owner"
	}
	return fmt.Sprintf("rights %d", uint8(r))
}

// Ticket is what a ticket says. It is a secret: do not log it.
type Ticket struct {
	Name      string
	Rights    Rights
	Secret    [32]byte          // of the readers
	Owner     ed25519.PublicKey // of the owners; [Encode] takes it from OwnerSeed in an owner's ticket
	OwnerSeed [32]byte          // only of an owner's ticket
	Expires   time.Time         // of whole seconds; the zero time: never
	Seed      [32]byte          // of the holder's key
	Signature [64]byte          // of the owners under the holder's key
	Addrs     []string          // multiaddrs of nodes of the registry, each ending in /p2p/ID
}

// Limits of a ticket.
const (
	MaxName  = 255     // bytes
	MaxPeers = 8       //
	MaxAddrs = 8       // of one peer
	MaxText  = 8 << 10 // bytes of text that are looked at, with all that is left out of it
)

// Errors that [Decode] returns.
var (
	// ErrNone: the text is no ticket.
	ErrNone = errors.New("ticket: this is no ticket: one begins with minikv1")
	// ErrDamaged: the text is a ticket that lost or changed characters on its way.
	ErrDamaged = errors.New("ticket: this ticket is damaged; copy all of it again")
	// ErrVersion: a later version of minikv made the ticket.
	ErrVersion = errors.New("ticket: made by a later version of minikv; update this one")
)

// Secrets of a ticket do not show in logs.

// String tells what is no secret.
func (t *Ticket) String() string { return fmt.Sprintf("%s ticket for %q", t.Rights, t.Name) }

// GoString is String: %#v shows no secret either.
func (t *Ticket) GoString() string { return t.String() }

// valid says what is wrong with a ticket that is to be written.
func (t *Ticket) valid() error {
	switch {
	case t.Rights < Read || t.Rights > Owner:
		return fmt.Errorf("ticket: %s: unknown", t.Rights)
	case !validName(t.Name):
		return fmt.Errorf("ticket: name of %d bytes; it has 1 to %d of UTF-8", len(t.Name), MaxName)
	case t.Rights < Owner && len(t.Owner) != ed25519.PublicKeySize:
		return fmt.Errorf("ticket: the owners' key has %d bytes; it has %d", len(t.Owner), ed25519.PublicKeySize)
	case !t.Expires.IsZero() && t.Expires.Unix() <= 0:
		return fmt.Errorf("ticket: it cannot expire at %s", t.Expires)
	}
	return nil
}
