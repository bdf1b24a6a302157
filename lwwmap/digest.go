package lwwmap

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// Digest sums up a set of entries: 128 bits, the sum of the entries' hashes
// modulo 2^128 (an AdHash: Bellare, Micciancio, "A New Paradigm for
// Collision-free Hashing", 1997). Adding and subtracting keeps it true with
// each write, in any order. It shows accidents and outsiders' lies; a writer
// of the registry who sets out to build colliding sums is not held off by it.
type Digest [16]byte

// Add returns d plus e.
func (d Digest) Add(e Digest) Digest {
	lo, carry := bits.Add64(d.low(), e.low(), 0)
	hi, _ := bits.Add64(d.high(), e.high(), carry)
	return makeDigest(lo, hi)
}

// Sub returns d minus e.
func (d Digest) Sub(e Digest) Digest {
	lo, borrow := bits.Sub64(d.low(), e.low(), 0)
	hi, _ := bits.Sub64(d.high(), e.high(), borrow)
	return makeDigest(lo, hi)
}

// IsZero says whether d is the digest of nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns 32 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

func (d *Digest) low() uint64  { return binary.LittleEndian.Uint64(d[:8]) }
func (d *Digest) high() uint64 { return binary.LittleEndian.Uint64(d[8:]) }

func makeDigest(lo, hi uint64) (d Digest) {
	binary.LittleEndian.PutUint64(d[:8], lo)
	binary.LittleEndian.PutUint64(d[8:], hi)
	return d
}
