package hlc

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

const (
	logicalBits = 16
	maxMillis   = 1<<(64-logicalBits) - 1
	textLen     = 16
)

// Timestamp is a point in hybrid logical time: the upper 48 bits are Unix milliseconds, the lower 16 bits
// count the stamps within a millisecond. Timestamps compare as integers do.
//
// The zero value is before every stamp that a clock issues; it stands for "none". The milliseconds
// last until August of the year 10889.
type Timestamp uint64

// Max is the highest timestamp.
const Max Timestamp = math.MaxUint64

// Make returns the timestamp with the given Unix milliseconds and logical part. Milliseconds that do not
// fit in 48 bits give Max.
func Make(ms uint64, logical uint16) Timestamp {
	if ms > maxMillis {
		return Max
	}
	return Timestamp(ms<<logicalBits | uint64(logical))
}

// FromTime returns the first timestamp of the millisecond in which t lies. Times before 1970 give the zero
// timestamp, times after the end of the range give Max.
func FromTime(t time.Time) Timestamp {
	sec := t.Unix()
	if sec < 0 {
		return 0
	}
	if sec > maxMillis/1000 {
		return Max
	}
	return Make(uint64(sec)*1000+uint64(t.Nanosecond())/uint64(time.Millisecond), 0)
}

// Time returns the wall time of t in UTC, in whole milliseconds. The logical part is lost.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t.Millis())).UTC() }

// Millis returns the Unix milliseconds of t.
func (t Timestamp) Millis() uint64 { return uint64(t) >> logicalBits }

// Logical returns the count of t within its millisecond.
func (t Timestamp) Logical() uint16 { return uint16(t) }

// Compare returns -1, 0 or +1 as t is before, equal to or after u.
func (t Timestamp) Compare(u Timestamp) int { return cmp.Compare(t, u) }

// IsZero reports whether t is the zero timestamp, which stands for "none".
func (t Timestamp) IsZero() bool { return t == 0 }

// Add returns t moved by d, rounded up to whole milliseconds, so that a time to live never ends early.
// The logical part stays. The result stays within the range: it is 0 where it would be before 1970,
// and Max where it would be after the end.
func (t Timestamp) Add(d time.Duration) Timestamp {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 { // division truncates: towards zero is already up for a negative d
		ms++
	}
	sum := int64(t.Millis()) + ms // neither part exceeds 2^48
	if sum < 0 {
		return 0
	}
	return Make(uint64(sum), t.Logical())
}

// Sub returns the time from u to t in whole milliseconds, negative if t is before u. The logical parts do
// not count. Beyond about 292 years the result is the longest or shortest duration.
func (t Timestamp) Sub(u Timestamp) time.Duration {
	const most = int64(math.MaxInt64 / time.Millisecond)
	ms := int64(t.Millis()) - int64(u.Millis())
	switch {
	case ms > most:
		return math.MaxInt64
	case ms < -most:
		return math.MinInt64
	}
	return time.Duration(ms) * time.Millisecond
}

// String returns t as 16 lower-case hexadecimal digits, which sort as the timestamps do.
func (t Timestamp) String() string {
	const digits = "0123456789abcdef"
	var text [textLen]byte
	for i := range text {
		text[i] = digits[t>>(60-4*i)&0xf]
	}
	return string(text[:])
}

// Parse reads the text made by [Timestamp.String]: exactly 16 lower-case hexadecimal digits.
func Parse(s string) (Timestamp, error) {
	if len(s) != textLen {
		return 0, fmt.Errorf("hlc: timestamp of %d characters, want %d lower-case hexadecimal digits", len(s), textLen)
	}
	var t Timestamp
	for i := range len(s) {
		d, ok := hexDigit(s[i])
		if !ok {
			return 0, fmt.Errorf("hlc: timestamp %q has %q at position %d, want lower-case hexadecimal digits", s, s[i], i)
		}
		t = t<<4 | Timestamp(d)
	}
	return t, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
