package ticket

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// QR draws a ticket's text as a QR code with blocks of half a line, for a terminal of any colours: the light parts are
// drawn, and a margin of four. Capitals make the code smaller; [Decode] takes them.
func QR(text string) (string, error) {
	code, err := qr.Encode(strings.ToUpper(text), qr.L)
	if err != nil {
		return "", fmt.Errorf("ticket: too long for a QR code: %w", err)
	}
	const margin = 4
	light := func(x, y int) bool { return !code.Black(x, y) }
	var b strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		for x := -margin; x < code.Size+margin; x++ {
			upper, lower := light(x, y), light(x, y+1) && y+1 < code.Size+margin
			switch {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
