package minikv

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"sync"
	"time"

	"github.com/minikv/minikv/seal"
	"github.com/minikv/minikv/ticket"
)

// membership is this node's place in a private registry: the keys, and what it may do. It does not change, but for
// the members it has met; with another ticket another takes its place. A public registry has none.
type membership struct {
	ticket      *ticket.Ticket // the secrets
	keys        *seal.Keys
	certificate []byte // with which this node shows its rights

	mu    sync.Mutex
	known map[PeerID]known // whose certificate was verified
}

type known struct {
	certificate []byte
	member      seal.Member
}

// maxKnown bounds the certificates that are remembered.
const maxKnown = 4096

// newMembership makes the node of a ticket a member. The ticket is kept, and has been made by the registry's owners.
func newMembership(t *ticket.Ticket, self PeerID) (*membership, error) {
	keys, err := seal.NewKeys(t.Name, t.Secret, t.Owner)
	if err != nil {
		return nil, err
	}
	holder := ed25519.NewKeyFromSeed(t.Seed[:])
	grant := grantOf(t, holder)
	if err := keys.VerifyGrant(&grant); err != nil {
		return nil, detailf(ErrTicket, "the ticket is not signed by the owners of its registry; ask whom you have it from for another")
	}
	return &membership{ticket: t, keys: keys, certificate: keys.Certify(&grant, holder, string(self)), known: map[PeerID]known{}}, nil
}

func grantOf(t *ticket.Ticket, holder ed25519.PrivateKey) seal.Grant {
	return seal.Grant{Rights: Rights(t.Rights).wire(), Expires: t.Expires, Holder: holder.Public().(ed25519.PublicKey), Signature: t.Signature}
}

// found makes the ticket of the owner of a new registry.
func found(name string) (*ticket.Ticket, error) {
	t := &ticket.Ticket{Name: name, Rights: ticket.Owner}
	_, _ = rand.Read(t.Secret[:]) // never fails, see its documentation
	_, _ = rand.Read(t.OwnerSeed[:])
	t.Owner = ed25519.NewKeyFromSeed(t.OwnerSeed[:]).Public().(ed25519.PublicKey)
	return t, sign(t, t.OwnerSeed)
}

// sign gives a ticket a fresh key for its holder, with the owners' signature.
func sign(t *ticket.Ticket, owner [32]byte) error {
	keys, err := seal.NewKeys(t.Name, t.Secret, t.Owner)
	if err != nil {
		return err
	}
	_, _ = rand.Read(t.Seed[:])
	grant := grantOf(t, ed25519.NewKeyFromSeed(t.Seed[:]))
	keys.Sign(ed25519.NewKeyFromSeed(owner[:]), &grant)
	t.Signature = grant.Signature
	return nil
}

func (m *membership) rights() Rights { return Rights(m.ticket.Rights) }

// ended says whether this node's own rights are over.
func (m *membership) ended(now time.Time) bool {
	return !m.ticket.Expires.IsZero() && now.After(m.ticket.Expires)
}

func (m *membership) mayWrite(clock func() time.Time) error {
	switch {
	case m.rights() < RightsWrite:
		return detailf(ErrReadOnly, "read-only: this node has joined the registry by a read ticket; join by a write ticket")
	case m.ticket.Expires.IsZero() || !m.ended(clock()):
		return nil
	}
	return detailf(ErrReadOnly, "read-only: the ticket by which this node has joined the registry expired on %s; join by another", m.ticket.Expires.Format(time.RFC3339))
}

// isSame says whether the keys of both tickets are those of one registry.
func (m *membership) isSame(t *ticket.Ticket) bool {
	return m.ticket.Name == t.Name && m.ticket.Secret == t.Secret && bytes.Equal(m.ticket.Owner, t.Owner)
}

// verify returns what a peer's certificate proves, which is verified once. It does not look at the clock.
func (m *membership) verify(certificate []byte, peer PeerID) (seal.Member, error) {
	m.mu.Lock()
	k, ok := m.known[peer]
	m.mu.Unlock()
	if ok && bytes.Equal(k.certificate, certificate) {
		return k.member, nil
	}
	member, err := m.keys.Verify(certificate, string(peer))
	if err != nil {
		return member, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= maxKnown {
		clear(m.known)
	}
	m.known[peer] = known{bytes.Clone(certificate), member}
	return member, nil
}

// payer is who pays for an exchange with a peer that shows this certificate.
func (m *membership) payer(certificate []byte, peer PeerID) payer {
	of := payer{peer: peer}
	if member, err := m.verify(certificate, peer); err == nil {
		of.holder = string(member.Holder[:])
	}
	return of
}

// payer is who pays for what a peer does here, as far as it has shown a certificate.
func (j *joined) payer(peer PeerID) payer {
	of := payer{peer: peer}
	if j.member == nil {
		return of
	}
	j.member.mu.Lock()
	defer j.member.mu.Unlock()
	if k, ok := j.member.known[peer]; ok {
		of.holder = string(k.member.Holder[:])
	}
	return of
}
