package minikv

import (
	"time"

	"github.com/minikv/minikv/seal"
	"github.com/minikv/minikv/ticket"
)

// Rights say what a node may do in a private registry. The higher ones include the lower.
type Rights uint8

// The rights that a ticket can give.
const (
	RightsRead  Rights = iota + 1 // read everything; nobody takes a write from it
	RightsWrite                   // write, too
	RightsOwner                   // and make tickets, and change the keys
)

// String gives "read", "write" or "owner".
func (r Rights) String() string { return ticket.Rights(r).String() }

// wire is what a certificate says.
func (r Rights) wire() seal.Rights { return seal.Rights(min(r, RightsWrite)) }

// Access is what this node may do in a registry.
type Access struct {
	Public  bool      // whoever knows the name may do everything; Rights is RightsWrite
	Rights  Rights    // also after they have expired
	Expires time.Time // of the rights; the zero time: never
}

// Access says what this node may do in the registry, by its ticket. It does not say whether the registry was opened
// [ReadOnly] here.
func (r *Registry) Access() Access {
	m := r.member.Load()
	if m == nil {
		return Access{Public: true, Rights: RightsWrite}
	}
	return Access{Rights: m.rights(), Expires: m.ticket.Expires}
}

// isWriter says whether others take what is written here, by the node's ticket.
func (r *Registry) isWriter() bool {
	m := r.member.Load()
	return m == nil || m.mayWrite(r.node.cfg.Clock) == nil
}

// mayWrite returns why nothing can be written here.
func (r *Registry) mayWrite() error {
	if r.opts.readOnly {
		return ErrReadOnly
	}
	if m := r.member.Load(); m != nil {
		return m.mayWrite(r.node.cfg.Clock)
	}
	return nil
}
