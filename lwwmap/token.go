package lwwmap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/minikv/minikv/hlc"
)

// TokenSize is the length of a fencing token in bytes.
const TokenSize = 24

// Token is the fencing token of a lease: epoch, complement of the claim stamp
// and complement of the owner's nonce, each 8 bytes big endian. Its order as
// bytes, and of its text, is the order in which leases of one key beat each
// other: the higher epoch, inside an epoch the earlier claim, then the lower
// owner. So a resource that remembers the highest token it has seen refuses
// exactly those holders that the merge refuses. The zero Token belongs to no
// lease. (Fencing: Kleppmann, "How to do distributed locking", 2016.)
type Token [TokenSize]byte

// MakeToken builds the token of a claim.
func MakeToken(epoch uint64, claim hlc.Timestamp, owner uint64) (t Token) {
	binary.BigEndian.PutUint64(t[0:], epoch)
	binary.BigEndian.PutUint64(t[8:], claimBits(claim))
	binary.BigEndian.PutUint64(t[16:], ^owner)
	return t
}

// ParseToken reads the text made by [Token.String].
func ParseToken(s string) (t Token, err error) {
	if len(s) != 2*TokenSize {
		return t, fmt.Errorf("lwwmap: token has %d characters, want %d", len(s), 2*TokenSize)
	}
	if _, err := hex.Decode(t[:], []byte(s)); err != nil {
		return Token{}, fmt.Errorf("lwwmap: token is not hexadecimal: %w", err)
	}
	return t, nil
}

// Epoch counts the claims of the key: a claim on a free key takes a higher one.
func (t Token) Epoch() uint64 { return binary.BigEndian.Uint64(t[0:]) }

// Claim is the stamp of the claim.
func (t Token) Claim() hlc.Timestamp { return claimOf(binary.BigEndian.Uint64(t[8:])) }

// Owner is the nonce of the handle that claimed.
func (t Token) Owner() uint64 { return ^binary.BigEndian.Uint64(t[16:]) }

// Above returns the lowest token of the next epoch. It is no lease's: see IsBare.
func (t Token) Above() Token { return MakeToken(t.Epoch()+1, hlc.Max, math.MaxUint64) }

// IsBare says whether t bounds an epoch and is the token of no lease.
func (t Token) IsBare() bool { return t.Claim() == hlc.Max && t.Owner() == math.MaxUint64 }

// IsZero says whether t is the token of no lease.
func (t Token) IsZero() bool { return t == Token{} }

// Compare returns -1, 0 or 1. The higher token beats the lower one.
func (t Token) Compare(u Token) int { return bytes.Compare(t[:], u[:]) }

// String returns 48 lower-case hexadecimal digits that sort as the tokens do.
func (t Token) String() string { return hex.EncodeToString(t[:]) }
