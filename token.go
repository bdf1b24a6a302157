package minikv

import (
	"bytes"
	"encoding/hex"
)

// Token is the fencing token of a lease: its order, as bytes and as text, is the order in which claims win.
// A resource that remembers the highest token it saw and refuses lower ones is safe from holders that do
// not know yet that they lost. Never zero for a lease.
type Token [24]byte

// Compare returns -1, 0 or 1 as t is below, equal to or above u.
func (t Token) Compare(u Token) int { return bytes.Compare(t[:], u[:]) }

// IsZero reports whether t is the zero token, which no lease has.
func (t Token) IsZero() bool { return t == Token{} }

// claim is what all tokens of one claim have in common: all but the epoch, which grows with renewals on
// later days.
func (t Token) claim() [16]byte { return [16]byte(t[8:]) }

// String has 48 lower-case hex digits and sorts like the tokens.
func (t Token) String() string { return hex.EncodeToString(t[:]) }

// MarshalText is String as bytes. The error is always nil.
func (t Token) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// UnmarshalText is like [ParseToken].
func (t *Token) UnmarshalText(text []byte) (err error) {
	*t, err = ParseToken(string(text))
	return err
}

// ParseToken is the reverse of String. It takes 48 hex digits of either case; anything else is ErrInvalid.
func ParseToken(s string) (Token, error) {
	var t Token
	if len(s) != 2*len(t) {
		return Token{}, detailf(ErrInvalid, "a token has %d hex digits, not %d", 2*len(t), len(s))
	}
	if _, err := hex.Decode(t[:], []byte(s)); err != nil {
		return Token{}, detailf(ErrInvalid, "%q is no token: %v", s, err)
	}
	return t, nil
}
