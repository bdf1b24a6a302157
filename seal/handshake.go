package seal

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// A session of a private registry opens with a handshake of one round trip. The stream below it is encrypted, and has
// authenticated the peer ids of both ends; what is shown here is that both know the registry's secret, and what rights they
// have, without telling an outsider anything.
//
//	dialler                                                acceptor
//	   │ Open: dialler's nonce, sealed(certificate, hello) ───► │  tries the keys of its registries
//	   │ ◄─ Answer: acceptor's nonce, sealed(certificate, hello)│
//	   │ frames, each sealed ─────────────────────────────────► │
//	   │ ◄──────────────────────────────── frames, each sealed  │
//
//	Open    offset  bytes  what
//	        0       1      16
//	        1       1      version, 1
//	        2       16     the dialler's nonce, random
//	        18      170    sealed: the dialler's certificate
//	        188     …      sealed: its hello, then the tag of 16 bytes
//	Answer  0       1      17
//	        1       16     the acceptor's nonce, random
//	        17      170    sealed: the acceptor's certificate
//	        187     …      sealed: its hello, then the tag
//	others  0       …      sealed: the frame, then the tag
//
// The keys are HMACs, under the registry's key for sessions, of a label, the nonces, and the peer ids of dialler and
// acceptor. So to make or to read a frame is to prove possession of the secret, now and for this connection: a proof
// cannot be passed on to another connection, for it names both ends; nor be sent back to who made it, for it names
// their roles; nor be used again, as from the second frame on it depends on nonces of both. Each key seals either one
// message or, with a counter for a nonce, one direction of one session.
const (
	// OpenType and AnswerType begin the frames of a handshake.
	OpenType   = 16
	AnswerType = 17

	handshakeVersion = 1
	// HandshakeNonce is the length in bytes of a handshake's nonces.
	HandshakeNonce = 16
	openHead       = 2 + HandshakeNonce
	answerHead     = 1 + HandshakeNonce

	// FrameOverhead is by how many bytes a sealed frame of a session is longer than the frame.
	FrameOverhead = tagSize
)

const (
	openLabel     = "open\n"
	answerLabel   = "answer\n"
	diallerLabel  = "dialler\n"
	acceptorLabel = "acceptor\n"
)

// Nonce is a random value for one handshake.
type Nonce [HandshakeNonce]byte

// ends names the two ends of a stream.
type ends struct{ dialler, acceptor string }

// key makes a key that seals for one purpose in one session.
func (k *Keys) key(label string, e ends, nonces ...Nonce) cipher.AEAD {
	h := hmac.New(sha256.New, k.sessions[:])
	h.Write([]byte(label))
	for _, n := range nonces {
		h.Write(n[:])
	}
	var n [4]byte
	for _, id := range []string{e.dialler, e.acceptor} {
		binary.BigEndian.PutUint32(n[:], uint32(len(id)))
		h.Write(n[:])
		h.Write([]byte(id))
	}
	aead, err := chacha20poly1305.New(h.Sum(nil))
	if err != nil {
		panic(err) // the length is right
	}
	return aead
}

var zeroNonce [chacha20poly1305.NonceSize]byte

// sealFirst seals certificate and hello behind a head that is authenticated, too.
func sealFirst(aead cipher.AEAD, head, certificate, hello []byte) []byte {
	b := make([]byte, len(head), len(head)+len(certificate)+len(hello)+tagSize)
	copy(b, head)
	b = append(append(b, certificate...), hello...)
	return aead.Seal(b[:len(head)], zeroNonce[:], b[len(head):], head)
}

// First is what one side says in a handshake.
type First struct {
	Certificate []byte
	Hello       []byte
}

func openFirst(aead cipher.AEAD, frame []byte, head int) (First, error) {
	if len(frame) < head+CertificateSize+tagSize {
		return First{}, ErrSealed
	}
	plain, err := aead.Open(nil, zeroNonce[:], frame[head:], frame[:head])
	if err != nil {
		return First{}, ErrSealed
	}
	return First{plain[:CertificateSize:CertificateSize], plain[CertificateSize:]}, nil
}

// Dialling is a handshake whose answer has not come yet.
type Dialling struct {
	keys  *Keys
	ends  ends
	nonce Nonce
}

// Dial begins a handshake and returns its Open frame. The nonce must be random, and never be used twice.
func (k *Keys) Dial(nonce Nonce, self, peer string, first First) (*Dialling, []byte) {
	d := &Dialling{k, ends{self, peer}, nonce}
	head := append([]byte{OpenType, handshakeVersion}, nonce[:]...)
	return d, sealFirst(k.key(openLabel, d.ends, nonce), head, first.Certificate, first.Hello)
}

// Answered reads the Answer frame. [ErrSealed] when the peer does not know the secret.
func (d *Dialling) Answered(frame []byte) (First, *Channel, error) {
	if len(frame) < answerHead || frame[0] != AnswerType {
		return First{}, nil, ErrSealed
	}
	nonces := []Nonce{d.nonce, Nonce(frame[1:answerHead])}
	first, err := openFirst(d.keys.key(answerLabel, d.ends, nonces...), frame, answerHead)
	if err != nil {
		return First{}, nil, err
	}
	return first, d.keys.channel(d.ends, nonces, diallerLabel, acceptorLabel), nil
}

// Accepting is a handshake that a peer has opened.
type Accepting struct {
	First // what the peer said
	keys  *Keys
	ends  ends
	nonce Nonce
}

// Accept reads an Open frame. [ErrSealed] when the peer does not know the secret, which is also what an Open for another
// registry looks like; [ErrVersion] when it has another version.
func (k *Keys) Accept(frame []byte, self, peer string) (*Accepting, error) {
	if len(frame) < openHead || frame[0] != OpenType {
		return nil, ErrSealed
	}
	if frame[1] != handshakeVersion {
		return nil, ErrVersion
	}
	a := &Accepting{keys: k, ends: ends{peer, self}, nonce: Nonce(frame[2:openHead])}
	var err error
	a.First, err = openFirst(k.key(openLabel, a.ends, a.nonce), frame, openHead)
	return a, err
}

// Answer returns the Answer frame and the channel for the frames that follow. The nonce must be random, and never be used
// twice.
func (a *Accepting) Answer(nonce Nonce, first First) ([]byte, *Channel) {
	nonces := []Nonce{a.nonce, nonce}
	frame := sealFirst(a.keys.key(answerLabel, a.ends, nonces...), append([]byte{AnswerType}, nonce[:]...), first.Certificate, first.Hello)
	return frame, a.keys.channel(a.ends, nonces, acceptorLabel, diallerLabel)
}

// Channel seals and opens the frames of a session, each direction in order. One goroutine may seal while another opens.
type Channel struct{ out, in half }

type half struct {
	aead  cipher.AEAD
	count uint64
}

func (k *Keys) channel(e ends, nonces []Nonce, out, in string) *Channel {
	return &Channel{half{aead: k.key(out, e, nonces...)}, half{aead: k.key(in, e, nonces...)}}
}

func (h *half) nonce() (n [chacha20poly1305.NonceSize]byte) {
	if h.count == math.MaxUint64 {
		panic("seal: a session of 2^64 frames")
	}
	binary.BigEndian.PutUint64(n[4:], h.count)
	h.count++
	return n
}

// Seal seals a frame in place and returns it, FrameOverhead bytes longer.
func (c *Channel) Seal(frame []byte) []byte {
	n := c.out.nonce()
	return c.out.aead.Seal(frame[:0], n[:], frame, nil)
}

// Open opens a frame in place. [ErrSealed] when it is not the peer's next one.
func (c *Channel) Open(frame []byte) ([]byte, error) {
	n := c.in.nonce()
	b, err := c.in.aead.Open(frame[:0], n[:], frame, nil)
	if err != nil {
		return nil, ErrSealed
	}
	return b, nil
}
