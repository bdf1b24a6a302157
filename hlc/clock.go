package hlc

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// DefaultMaxSkew is used where Config.MaxSkew is zero.
	DefaultMaxSkew = time.Minute
	// DefaultAhead is used where Config.Ahead is zero.
	DefaultAhead = 3 * time.Second
)

var errEnd = errors.New("hlc: the highest timestamp is used up; the wall clock or the persisted ceiling is far in the future")

// Config sets up a Clock. The zero value is a clock without a memory of earlier runs.
type Config struct {
	// MaxSkew is how far an observed stamp may be ahead of the wall clock. It is rounded up to whole
	// milliseconds. Zero means DefaultMaxSkew; with a negative value nothing may be ahead.
	MaxSkew time.Duration

	// Ceiling is the last ceiling that was persisted through Reserve by an earlier clock; zero if there was
	// none. The clock starts above it.
	Ceiling Timestamp

	// Reserve persists a ceiling: once it has returned nil, a restart must find this ceiling, or a
	// higher one. Ceilings only rise. It is called from within Now, by one goroutine at a time and with the clock
	// locked, so it must not call the clock. Nil means that nothing is persisted and a restart may issue
	// stamps again.
	Reserve func(Timestamp) error

	// Ahead is how far past the wall clock a reservation reaches: a busy clock calls Reserve about once in that
	// time, and after a restart stamps may be that much ahead of the wall clock. Zero or less means DefaultAhead. At
	// most half of MaxSkew is used, so that peers do not refuse what is written after a restart.
	Ahead time.Duration
}

// Clock issues timestamps. It is safe for concurrent use. Make one with NewClock.
type Clock struct {
	maxMillis uint64 // MaxSkew in milliseconds
	ahead     time.Duration
	reserve   func(Timestamp) error

	mu      sync.Mutex
	last    Timestamp // highest stamp issued or observed
	ceiling Timestamp // highest stamp that may be issued without a reservation
}

// NewClock returns a clock whose first stamp is above c.Ceiling.
func NewClock(c Config) *Clock {
	clock := &Clock{
		maxMillis: wholeMillis(c.MaxSkew, DefaultMaxSkew) * skewUnit,
		ahead:     c.Ahead,
		reserve:   c.Reserve,
		last:      start(c.Ceiling),
		ceiling:   c.Ceiling,
	}
	if clock.ahead <= 0 {
		clock.ahead = DefaultAhead
	}
	clock.ahead = min(clock.ahead, clock.MaxSkew()/2)
	if c.Reserve == nil {
		clock.ceiling = Max
	}
	return clock
}

// wholeMillis returns d in milliseconds, rounded up; byDefault if d is zero, and 0 if it is negative.
func wholeMillis(d, byDefault time.Duration) uint64 {
	if d == 0 {
		d = byDefault
	}
	return Timestamp(0).Add(d).Millis()
}

// Now returns a stamp above everything that the clock has issued or observed, and not before wall.
//
// An error comes from Config.Reserve, wrapped, or says that the range of timestamps is used up. Then the clock has
// not moved; the call may be repeated.
func (c *Clock) Now(wall time.Time) (Timestamp, error) {
	t := FromTime(wall)
	c.mu.Lock()
	defer c.mu.Unlock()
	if t <= c.last {
		if c.last == Max {
			return 0, errEnd
		}
		t = c.last + 1 // a full logical part carries over into the next millisecond
	}
	if t > c.ceiling {
		if err := c.raise(t, wall); err != nil {
			return 0, err
		}
	}
	c.last = t
	return t, nil
}

// raise reserves a ceiling that covers t. It reaches ahead of the wall clock rather than ahead of t, because t
// may itself come from an earlier reservation: restarts in a row must not add up. Where t is already past
// that, the ceiling is the end of the next millisecond: room for at least 65,536 stamps.
func (c *Clock) raise(t Timestamp, wall time.Time) error {
	to := max(FromTime(wall).Add(c.ahead), Make(t.Millis()+1, 1<<logicalBits-1))
	if err := c.reserve(to); err != nil {
		return fmt.Errorf("hlc: reserve stamps up to %s: %w", to, err)
	}
	c.ceiling = to
	return nil
}

// Observe takes note of a stamp made elsewhere: every stamp issued from now on is above it. A stamp that is
// more than MaxSkew ahead of wall is refused with a *SkewError and does not move the clock.
func (c *Clock) Observe(t Timestamp, wall time.Time) error {
	if err := c.Check(t, wall); err != nil {
		return err
	}
	c.mu.Lock()
	c.last = max(c.last, t)
	c.mu.Unlock()
	return nil
}

// Restore takes over how far a clock had come in an earlier run, as kept with what it has stamped or observed: every
// stamp issued from now on is above it. It does not ask for the skew, which was judged then.
func (c *Clock) Restore(t Timestamp) {
	c.mu.Lock()
	c.last = max(c.last, t)
	c.mu.Unlock()
}

// Check is the test of Observe alone: it returns a *SkewError if t is more than MaxSkew ahead of wall, and moves
// nothing. A stamp that is exactly MaxSkew ahead passes.
func (c *Clock) Check(t Timestamp, wall time.Time) error {
	if t.Millis() <= FromTime(wall).Millis()+c.maxMillis {
		return nil
	}
	return &SkewError{Stamp: t, Wall: wall, Ahead: t.Time().Sub(wall), Max: c.MaxSkew()}
}

// Last returns the highest stamp issued or observed; before the first one, Config.Ceiling.
func (c *Clock) Last() Timestamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// MaxSkew returns how far an observed stamp may be ahead of the wall clock, in whole milliseconds.
func (c *Clock) MaxSkew() time.Duration {
	return time.Duration(c.maxMillis) * time.Millisecond
}

// Reading returns the present hybrid time, the later of wall and the last stamp, without issuing a stamp or
// moving the clock. Lifetimes are not to be judged by it: it follows the fastest peer.
func (c *Clock) Reading(wall time.Time) Timestamp {
	return max(FromTime(wall), c.Last())
}
