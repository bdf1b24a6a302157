package seal

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Rights of a member.
type Rights uint8

// The rights that a grant can give. Write includes Read.
const (
	Read  Rights = 1
	Write Rights = 2
)

// String gives "read" or "write".
func (r Rights) String() string {
	switch r {
	case Read:
		return "read"
	case Write:
		return "write"
	}
	return fmt.Sprintf("rights %d", uint8(r))
}

// Lengths in bytes of a grant and a certificate.
const (
	GrantSize       = 1 + 1 + 8 + ed25519.PublicKeySize + ed25519.SignatureSize
	CertificateSize = GrantSize + ed25519.SignatureSize
)

const (
	certificateVersion = 1
	grantDomain        = "minikv/grant/1\n"
	memberDomain       = "minikv/member/1\n"
	// maxExpires is the year 9999, the last that time formats can write.
	maxExpires = 253402300799
)

// Errors of certificates.
var (
	// ErrCertificate: it was not made by the registry's owners for that peer.
	ErrCertificate = errors.New("seal: not a certificate of this registry for this peer")
	// ErrVersion: a later version made what was to be read.
	ErrVersion = errors.New("seal: of a later version")
)

// Grant is the owners' word that the holder of a key has some rights until some time.
type Grant struct {
	Rights    Rights
	Expires   time.Time         // of whole seconds; the zero time: never
	Holder    ed25519.PublicKey // who may use it
	Signature [ed25519.SignatureSize]byte
}

// body is a grant without its signature:
//
//	offset  bytes  what
//	0       1      version, 1
//	1       1      rights: 1 read, 2 write
//	2       8      when it expires, in seconds since 1970, big-endian; 0: never
//	10      32     the holder's public key
//
// The signature follows in the 64 bytes behind it. In a certificate there follow 64 more: the holder's signature.
func (g *Grant) body() []byte {
	b := append(make([]byte, 0, CertificateSize), certificateVersion, byte(g.Rights))
	var expires uint64
	if !g.Expires.IsZero() {
		expires = uint64(g.Expires.Unix())
	}
	return append(binary.BigEndian.AppendUint64(b, expires), g.Holder...)
}

// signed is what the owners sign: the registry's id is in it, so a grant is worth nothing elsewhere.
func (k *Keys) signed(body []byte) []byte {
	return append(append([]byte(grantDomain), k.id[:]...), body...)
}

// Sign signs a grant with the owners' private key.
func (k *Keys) Sign(owner ed25519.PrivateKey, g *Grant) {
	copy(g.Signature[:], ed25519.Sign(owner, k.signed(g.body())))
}

// VerifyGrant returns [ErrCertificate] unless the owners have signed the grant.
func (k *Keys) VerifyGrant(g *Grant) error {
	if g.Rights != Read && g.Rights != Write || len(g.Holder) != ed25519.PublicKeySize ||
		!ed25519.Verify(k.owner, k.signed(g.body()), g.Signature[:]) {
		return ErrCertificate
	}
	return nil
}

// Certify makes the certificate with which the node of a peer id shows its rights, CertificateSize bytes.
func (k *Keys) Certify(g *Grant, holder ed25519.PrivateKey, peer string) []byte {
	b := append(g.body(), g.Signature[:]...)
	return append(b, ed25519.Sign(holder, k.vouched(b, peer))...)
}

// vouched is what a holder signs.
func (k *Keys) vouched(grant []byte, peer string) []byte {
	return append(append(append([]byte(memberDomain), k.id[:]...), grant...), peer...)
}

// Member is what a certificate proves.
type Member struct {
	Rights  Rights
	Expires time.Time                   // the zero time: never
	Holder  [ed25519.PublicKeySize]byte // of the ticket: the same for all peers that joined by it
}

// Ended says whether the rights have ended by a clock that may be wrong by slack.
func (m Member) Ended(now time.Time, slack time.Duration) bool {
	return !m.Expires.IsZero() && now.Add(-slack).After(m.Expires)
}

// Verify returns what a certificate proves of a peer, whose id the connection or a signature has shown. It does not look
// at the clock. [ErrCertificate] or [ErrVersion] when it proves nothing.
func (k *Keys) Verify(certificate []byte, peer string) (Member, error) {
	if len(certificate) > 0 && certificate[0] > certificateVersion {
		return Member{}, ErrVersion
	}
	g, ok := parseGrant(certificate)
	if !ok || len(certificate) != CertificateSize {
		return Member{}, ErrCertificate
	}
	if err := k.VerifyGrant(&g); err != nil {
		return Member{}, err
	}
	if !ed25519.Verify(g.Holder, k.vouched(certificate[:GrantSize], peer), certificate[GrantSize:]) {
		return Member{}, ErrCertificate
	}
	return Member{g.Rights, g.Expires, [ed25519.PublicKeySize]byte(g.Holder)}, nil
}

func parseGrant(b []byte) (g Grant, ok bool) {
	if len(b) < GrantSize || b[0] != certificateVersion {
		return g, false
	}
	g.Rights = Rights(b[1])
	expires := binary.BigEndian.Uint64(b[2:])
	if expires > maxExpires {
		return g, false
	}
	if expires != 0 {
		g.Expires = time.Unix(int64(expires), 0).UTC()
	}
	g.Holder = ed25519.PublicKey(append([]byte(nil), b[10:42]...))
	copy(g.Signature[:], b[42:GrantSize])
	return g, true
}
