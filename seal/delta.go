package seal

import (
	"errors"

	"golang.org/x/crypto/chacha20poly1305"
)

// A sealed delta is
//
//	offset  bytes  what
//	0       1      version, 1
//	1       24     nonce, random
//	25      170    sealed: the author's certificate
//	195     …      sealed: the delta
//	        16     tag of XChaCha20-Poly1305 over both, the version, the topic, and the author's peer id
//
// The author's signature is that of the envelope in which it travels.
const (
	deltaVersion = 1
	// NonceSize is the length in bytes of the nonce of a delta.
	NonceSize   = chacha20poly1305.NonceSizeX
	deltaHead   = 1 + NonceSize
	tagSize     = chacha20poly1305.Overhead
	deltaPrefix = deltaHead + CertificateSize

	// DeltaOverhead is by how many bytes a sealed delta is longer than the delta.
	DeltaOverhead = deltaPrefix + tagSize
)

// ErrSealed: what was to be opened was not sealed with the registry's keys for that author or session, or was changed
// since.
var ErrSealed = errors.New("seal: not sealed by a member of this registry, or changed on its way")

// deltaContext is what is authenticated beside what is sealed.
func (k *Keys) deltaContext(author string) []byte {
	b := make([]byte, 0, len(k.topic)+len(author)+2)
	b = append(b, deltaVersion)
	b = append(b, k.topic...)
	return append(append(b, 0), author...)
}

// BeginDelta returns the room in front of a delta: append the delta to it and call [Keys.SealDelta]. It uses the memory of
// buf if there is enough. The nonce must be random, and never be used twice.
func BeginDelta(buf []byte, nonce [NonceSize]byte, certificate []byte) []byte {
	buf = append(buf[:0], deltaVersion)
	buf = append(buf, nonce[:]...)
	return append(buf, certificate...)
}

// SealDelta seals, in place, what was appended to the result of [BeginDelta], and returns the sealed delta.
func (k *Keys) SealDelta(b []byte, author string) []byte {
	nonce := b[1:deltaHead]
	return k.deltas.Seal(b[:deltaHead], nonce, b[deltaHead:], k.deltaContext(author))
}

// OpenDelta opens a sealed delta of an author. It leaves the sealed one as it is; the results are the caller's. Errors:
// [ErrSealed] and [ErrVersion].
func (k *Keys) OpenDelta(sealed []byte, author string) (certificate, delta []byte, err error) {
	if len(sealed) > 0 && sealed[0] > deltaVersion {
		return nil, nil, ErrVersion
	}
	if len(sealed) < DeltaOverhead || sealed[0] != deltaVersion {
		return nil, nil, ErrSealed
	}
	plain, err := k.deltas.Open(nil, sealed[1:deltaHead], sealed[deltaHead:], k.deltaContext(author))
	if err != nil {
		return nil, nil, ErrSealed
	}
	return plain[:CertificateSize:CertificateSize], plain[CertificateSize:], nil
}
