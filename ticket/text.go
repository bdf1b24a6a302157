package ticket

import (
	"encoding/base32"
	"fmt"
	"strings"
	"unicode"
)

// prefix begins every ticket; its digit is the version of the text.
const (
	word   = "minikv"
	prefix = word + "1"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // no i, l, o, u

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// Encode writes a ticket as text.
func Encode(t *Ticket) (string, error) {
	b, err := t.marshal()
	if err != nil {
		return "", err
	}
	return prefix + encoding.EncodeToString(b), nil
}

// Decode reads a ticket as people paste it: in capitals, broken into lines, with blanks, invisible characters, and
// quotes or brackets around it. It does not look whether the ticket has expired. Errors: [ErrNone], [ErrDamaged] and
// [ErrVersion]; none of them has a part of the ticket in its text.
func Decode(text string) (*Ticket, error) {
	body, err := clean(text)
	if err != nil {
		return nil, err
	}
	b, err := encoding.DecodeString(body)
	if err != nil {
		return nil, fmt.Errorf("%w: its end is missing", ErrDamaged)
	}
	if encoding.EncodeToString(b) != body { // bits beyond the last byte
		return nil, fmt.Errorf("%w: its end is missing or changed", ErrDamaged)
	}
	return unmarshal(b)
}

// clean returns the base32 of a ticket.
func clean(text string) (string, error) {
	if len(text) > MaxText {
		return "", fmt.Errorf("%w, and has at most %d characters", ErrNone, MaxText)
	}
	text = strings.Map(visible, text)
	text = strings.Trim(text, "\"'`“”‘’„‚«»‹›<>()[]{}*_")
	if len(text) <= len(prefix) || !strings.EqualFold(text[:len(word)], word) {
		return "", ErrNone
	}
	if text[len(word)] != prefix[len(word)] {
		if d := text[len(word)]; d > '1' && d <= '9' {
			return "", fmt.Errorf("%w (form %c)", ErrVersion, d)
		}
		return "", ErrNone
	}
	body := []byte(text[len(prefix):])
	for i, c := range body {
		if body[i] = symbol(c); body[i] == 0 {
			return "", fmt.Errorf("%w: its character %d cannot be in a ticket", ErrDamaged, len(prefix)+i+1)
		}
	}
	return string(body), nil
}

// visible leaves out blanks, line breaks and what does not show.
func visible(r rune) rune {
	if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r) || r == '\u00ad' || r == '\ufe0f' {
		return -1
	}
	return r
}

// symbol is the character of the alphabet that was meant, 0 if there is none.
func symbol(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	switch c {
	case 'o':
		return '0'
	case 'i', 'l':
		return '1'
	}
	if strings.IndexByte(alphabet, c) < 0 {
		return 0
	}
	return c
}
