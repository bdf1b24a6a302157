package resp

import "math"

// parseInt reads a whole number the way Redis does: no sign but a minus, no leading zeros, nothing around it.
func parseInt(b []byte) (n int64, ok bool) {
	if len(b) == 1 && b[0] == '0' {
		return 0, true
	}
	digits, negative := b, false
	if len(b) > 0 && b[0] == '-' {
		digits, negative = b[1:], true
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] < '1' {
		return 0, false
	}
	var u uint64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		u = u*10 + uint64(d-'0')
	}
	switch {
	case negative && u <= -math.MinInt64:
		return -int64(u), true
	case negative || u > math.MaxInt64:
		return 0, false
	}
	return int64(u), true
}
