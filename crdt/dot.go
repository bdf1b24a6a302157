package crdt

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

const actorLen = 16

// Actor identifies one source of writes. Minikv draws 64 random bits for each opening of a registry and never
// uses them again, so that a restored backup or a copied directory cannot issue the same dots twice.
type Actor uint64

// Compare returns -1, 0 or +1 as a is below, equal to or above b.
func (a Actor) Compare(b Actor) int { return cmp.Compare(a, b) }

// String returns a as 16 lower-case hexadecimal digits, which sort as the actors do.
func (a Actor) String() string {
	const digits = "0123456789abcdef"
	var text [actorLen]byte
	for i := range text {
		text[i] = digits[a>>(60-4*i)&0xf]
	}
	return string(text[:])
}

// ParseActor reads the text made by [Actor.String]: exactly 16 lower-case hexadecimal digits.
func ParseActor(s string) (Actor, error) {
	if len(s) != actorLen {
		return 0, fmt.Errorf("crdt: actor of %d characters, want %d lower-case hexadecimal digits", len(s), actorLen)
	}
	if i := strings.IndexFunc(s, notLowerHex); i >= 0 {
		return 0, fmt.Errorf("crdt: actor %q has %q at position %d, want lower-case hexadecimal digits", s, s[i], i)
	}
	n, err := strconv.ParseUint(s, 16, 64)
	return Actor(n), err
}

func notLowerHex(c rune) bool {
	return (c < '0' || c > '9') && (c < 'a' || c > 'f')
}

// Dot names one write: the Seq-th of its actor, counted from 1. The zero value stands for "none".
type Dot struct {
	Actor Actor
	Seq   uint64
}

// IsZero reports whether d is the zero dot.
func (d Dot) IsZero() bool { return d == Dot{} }

// Compare orders dots by actor, then by number, and returns -1, 0 or +1. It says nothing about which
// write came first, except between writes of one actor.
func (d Dot) Compare(e Dot) int {
	return cmp.Or(cmp.Compare(d.Actor, e.Actor), cmp.Compare(d.Seq, e.Seq))
}

// String returns d as "actor:seq", for example "00000000000000a1:42".
func (d Dot) String() string {
	return d.Actor.String() + ":" + strconv.FormatUint(d.Seq, 10)
}

// ParseDot reads the text made by [Dot.String]. A number of 0, leading zeros and signs are refused: a dot
// has one spelling, and the first write has number 1.
func ParseDot(s string) (Dot, error) {
	actor, seq, ok := strings.Cut(s, ":")
	if !ok {
		return Dot{}, fmt.Errorf("crdt: dot %q has no colon, want actor:seq", s)
	}
	a, err := ParseActor(actor)
	if err != nil {
		return Dot{}, fmt.Errorf("crdt: dot %q: %w", s, err)
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || seq[0] == '0' || seq[0] == '+' {
		return Dot{}, fmt.Errorf("crdt: dot %q: sequence %q is not a decimal number from 1 to 18446744073709551615", s, seq)
	}
	return Dot{Actor: a, Seq: n}, nil
}
