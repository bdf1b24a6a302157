package p2p

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"
)

// The envelope of a gossip message is the CBOR array (RFC 8949)
//
//	[1, author, payload, signature]
//
// of the format version, the author's peer id, the payload and an ed25519
// signature (RFC 8032), all lengths in their shortest form. Exactly one byte
// string encodes an envelope, and every other is refused: an envelope that could
// be written in two ways could be sent twice under two message ids.
//
// Signed is signDomain followed by the SHA-256 of topic and payload. The topic is
// under the signature, so a message cannot be replayed into another topic; hashing
// first with SHA-256 spares ed25519's two passes of SHA-512 over large payloads.
const (
	envelopeVersion = 1
	signDomain      = "minikv/gossip/1\n"

	// An ed25519 peer id is the key itself behind a fixed prefix: identity
	// multihash, 36 bytes, protobuf (type 1, key of 32 bytes).
	authorPrefix = "\x00\x24\x08\x01\x12\x20"
	authorLen    = len(authorPrefix) + ed25519.PublicKeySize

	// maxEnvelopeOverhead is what an envelope adds to its payload at most.
	maxEnvelopeOverhead = 2 + 2 + authorLen + 9 + 2 + ed25519.SignatureSize
)

var (
	errEnvelope  = errors.New("p2p: malformed envelope")
	errAuthor    = errors.New("p2p: author is no ed25519 peer id")
	errSignature = errors.New("p2p: signature does not verify for this topic")
)

// envelope is a decoded envelope. Its slices alias the bytes it was decoded from.
type envelope struct {
	author    peer.ID
	payload   []byte
	signature []byte
}

// digest is the hash that is signed for a payload on a topic.
func digest(topic string, payload []byte) (d [sha256.Size]byte) {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(topic)))
	h.Write(n[:])
	h.Write([]byte(topic))
	h.Write(payload)
	h.Sum(d[:0])
	return d
}

// seal signs the payload for the topic and returns the envelope and its message id.
func seal(key ed25519.PrivateKey, author peer.ID, topic string, payload []byte) (data []byte, id string) {
	d := digest(topic, payload)
	sig := ed25519.Sign(key, append([]byte(signDomain), d[:]...))
	out := make([]byte, 0, len(payload)+maxEnvelopeOverhead)
	out = append(out, 0x80|4, envelopeVersion)
	out = appendByteString(out, []byte(author))
	out = appendByteString(out, payload)
	out = appendByteString(out, sig)
	return out, envelope{author: author, signature: sig}.id(d)
}

// A message id covers the whole envelope: the digest that is signed, followed by a
// hash of author and signature. Anything less (the signature alone, say) would let a
// forger block a message by sending another one under its id first. That the digest
// can be read off it spares the validator a second pass over the payload. What is no
// envelope gets an id of another length.
const idLen = sha256.Size + 16

func (e envelope) id(digest [sha256.Size]byte) string {
	var buf [authorLen + ed25519.SignatureSize]byte
	tail := sha256.Sum256(append(append(buf[:0], e.author...), e.signature...))
	return string(append(digest[:], tail[:idLen-sha256.Size]...))
}

func messageID(topic string, data []byte) string {
	env, err := openEnvelope(data)
	if err != nil {
		d := sha256.Sum256(data)
		return string(d[:])
	}
	return env.id(digest(topic, env.payload))
}

// openEnvelope decodes data without checking the signature.
func openEnvelope(data []byte) (envelope, error) {
	if len(data) < 2 || data[0] != 0x80|4 || data[1] != envelopeVersion {
		return envelope{}, errEnvelope
	}
	author, rest, ok := cutByteString(data[2:])
	if !ok {
		return envelope{}, errEnvelope
	}
	payload, rest, ok := cutByteString(rest)
	if !ok {
		return envelope{}, errEnvelope
	}
	sig, rest, ok := cutByteString(rest)
	if !ok || len(sig) != ed25519.SignatureSize || len(rest) != 0 {
		return envelope{}, errEnvelope
	}
	if len(author) != authorLen || string(author[:len(authorPrefix)]) != authorPrefix {
		return envelope{}, errAuthor
	}
	return envelope{author: peer.ID(author), payload: payload, signature: sig}, nil
}

// verify checks the signature, given the message id of the envelope on its topic,
// which begins with the digest of both.
func (e envelope) verify(id string, maxPayload int) error {
	if len(id) != idLen {
		return errEnvelope
	}
	if len(e.payload) > maxPayload {
		return ErrMessageTooLarge
	}
	key := ed25519.PublicKey(e.author[len(authorPrefix):])
	if !ed25519.Verify(key, []byte(signDomain+id[:sha256.Size]), e.signature) {
		return errSignature
	}
	return nil
}

// appendByteString appends a CBOR byte string in its shortest form.
func appendByteString(out, b []byte) []byte {
	const major = 2 << 5
	switch n := uint64(len(b)); {
	case n < 24:
		out = append(out, major|byte(n))
	case n <= 0xff:
		out = append(out, major|24, byte(n))
	case n <= 0xffff:
		out = binary.BigEndian.AppendUint16(append(out, major|25), uint16(n))
	case n <= 0xffffffff:
		out = binary.BigEndian.AppendUint32(append(out, major|26), uint32(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, major|27), n)
	}
	return append(out, b...)
}

// cutByteString splits a CBOR byte string in its shortest form off data. Lengths
// of 4 GiB and more are refused: no message is that large.
func cutByteString(data []byte) (b, rest []byte, ok bool) {
	if len(data) == 0 || data[0]>>5 != 2 {
		return nil, nil, false
	}
	info, data := data[0]&0x1f, data[1:]
	n := uint64(info)
	if info >= 24 {
		size, least := 0, uint64(0)
		switch info {
		case 24:
			size, least = 1, 24
		case 25:
			size, least = 2, 1<<8
		case 26:
			size, least = 4, 1<<16
		default:
			return nil, nil, false
		}
		if len(data) < size {
			return nil, nil, false
		}
		n = 0
		for _, c := range data[:size] {
			n = n<<8 | uint64(c)
		}
		if n < least {
			return nil, nil, false
		}
		data = data[size:]
	}
	if n > uint64(len(data)) {
		return nil, nil, false
	}
	return data[:n:n], data[n:], true
}
