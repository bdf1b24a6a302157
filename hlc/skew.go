package hlc

import (
	"errors"
	"fmt"
	"time"
)

// ErrSkew is matched, by errors.Is, by every refusal of a stamp that is too far ahead of the wall clock.
var ErrSkew = errors.New("hlc: stamp too far ahead of the local clock")

// SkewError says which stamp was refused and by how much it was ahead. It unwraps to ErrSkew.
type SkewError struct {
	Stamp Timestamp     // the refused stamp
	Wall  time.Time     // the local wall clock at that moment
	Ahead time.Duration // how far Stamp is ahead of Wall; the longest duration beyond about 292 years
	Max   time.Duration // how far it may be
}

// Error names the stamp, its lead and the limit.
func (e *SkewError) Error() string {
	return fmt.Sprintf("%v: stamp %s is %v ahead of %s, at most %v is allowed; check the clocks of both machines",
		ErrSkew, e.Stamp, e.Ahead, e.Wall.UTC().Format(time.RFC3339Nano), e.Max)
}

// Unwrap returns ErrSkew.
func (e *SkewError) Unwrap() error { return ErrSkew }
