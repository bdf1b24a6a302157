package minikv

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/minikv/minikv/crdt"
)

// Position is a place in the changes of a registry under one prefix. Compare it for equality only. Zero:
// the beginning.
type Position struct{ enc string }

// IsZero reports whether p is the beginning.
func (p Position) IsZero() bool { return p.enc == "" }

// String is text for [ParsePosition], safe in URLs; empty for the zero position.
func (p Position) String() string { return base64.RawURLEncoding.EncodeToString([]byte(p.enc)) }

// MarshalText is String as bytes. The error is always nil.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is like [ParsePosition].
func (p *Position) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePosition(string(text))
	return err
}

// ParsePosition is the reverse of String. Text that is no position, or longer than 16 MiB, is ErrInvalid.
func ParsePosition(s string) (Position, error) {
	if len(s) > maxPosition {
		return Position{}, detailf(ErrInvalid, "a position of %d bytes; the longest has %d", len(s), maxPosition)
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	p := Position{string(b)}
	if err == nil && p.String() != s { // the decoder passes over line breaks and stray bits
		err = errPositionCut
	}
	if err == nil && !p.IsZero() {
		_, _, err = decodePosition(b)
	}
	if err != nil {
		return Position{}, detailf(ErrInvalid, "no watch position: %v", err)
	}
	return p, nil
}

// The form of a position: a version byte, eight bytes that stand for registry and prefix, and the context
// of what has been delivered: for each actor, ascending, its eight bytes, the number of its ranges, and for
// each range the distances from the end of the one before to its low and on to its high end. Numbers are
// unsigned varints.
const (
	positionVersion = 1
	positionTagLen  = 8
	maxPosition     = 16 << 20
)

func positionTag(registry, prefix string) (tag [positionTagLen]byte) {
	b := append([]byte("minikv/position/1\n"), binary.AppendUvarint(nil, uint64(len(registry)))...)
	sum := sha256.Sum256(append(append(b, registry...), prefix...))
	copy(tag[:], sum[:])
	return tag
}

func newPosition(tag [positionTagLen]byte, spans []crdt.Span) Position {
	b := append([]byte{positionVersion}, tag[:]...)
	for _, s := range spans {
		b = binary.BigEndian.AppendUint64(b, uint64(s.Actor))
		b = binary.AppendUvarint(b, uint64(len(s.Ranges)))
		end := uint64(0)
		for _, g := range s.Ranges {
			b = binary.AppendUvarint(b, g.Lo-end)
			b = binary.AppendUvarint(b, g.Hi-g.Lo)
			end = g.Hi
		}
	}
	return Position{string(b)}
}

// context returns what the position covers, if it is one of the registry and prefix behind tag.
func (p Position) context(tag [positionTagLen]byte) (*crdt.Context, error) {
	got, c, err := decodePosition([]byte(p.enc))
	if err != nil {
		return nil, detailf(ErrInvalid, "no watch position: %v", err)
	}
	if got != tag {
		return nil, detailf(ErrInvalid, "the position is of a watch on another registry or prefix; begin without After")
	}
	return c, nil
}

var (
	errPositionVersion = errors.New("not of a version that this program knows")
	errPositionCut     = errors.New("cut short or damaged")
)

func decodePosition(b []byte) (tag [positionTagLen]byte, c *crdt.Context, err error) {
	if len(b) < 1+positionTagLen {
		return tag, nil, errPositionCut
	}
	if b[0] != positionVersion {
		return tag, nil, errPositionVersion
	}
	copy(tag[:], b[1:])
	b = b[1+positionTagLen:]
	var spans []crdt.Span
	for len(b) > 0 {
		var s crdt.Span
		if s, b, err = cutSpan(b); err != nil {
			return tag, nil, err
		}
		spans = append(spans, s)
	}
	c, err = crdt.FromSpans(spans)
	return tag, c, err
}

func cutSpan(b []byte) (s crdt.Span, rest []byte, err error) {
	if len(b) < 8 {
		return s, nil, errPositionCut
	}
	s.Actor, b = crdt.Actor(binary.BigEndian.Uint64(b)), b[8:]
	n, b, err := cutUvarint(b)
	if err != nil || n > uint64(len(b)/2) { // a range has two bytes at least
		return s, nil, errPositionCut
	}
	s.Ranges = make(crdt.Ranges, 0, n)
	end := uint64(0)
	for range n {
		var up, length uint64
		if up, b, err = cutUvarint(b); err != nil {
			return s, nil, err
		}
		if length, b, err = cutUvarint(b); err != nil {
			return s, nil, err
		}
		lo := end + up
		hi := lo + length
		if lo < end || hi < lo {
			return s, nil, errPositionCut
		}
		s.Ranges = append(s.Ranges, crdt.Range{Lo: lo, Hi: hi})
		end = hi
	}
	return s, b, nil
}

// cutUvarint splits a varint in its shortest form off b.
func cutUvarint(b []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, errPositionCut
	}
	return v, b[n:], nil
}
