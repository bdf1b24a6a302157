package hlc_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv/hlc"
)

// Two machines whose wall clocks differ by two seconds: what was written with knowledge of an earlier write is
// stamped above it all the same.
func Example() {
	wall := time.UnixMilli(1_700_000_000_000)
	ahead, behind := hlc.NewClock(hlc.Config{}), hlc.NewClock(hlc.Config{})

	first, _ := ahead.Now(wall.Add(2 * time.Second))
	if err := behind.Observe(first, wall); err != nil {
		fmt.Println(err)
	}
	second, _ := behind.Now(wall)

	fmt.Println(first)
	fmt.Println(second)
	fmt.Println(second.Compare(first) > 0)
	// Output:
	// 018bcfe56fd00000
	// 018bcfe56fd00001
	// true
}

func ExampleClock_Observe() {
	wall := time.UnixMilli(1_700_000_000_000)
	clock := hlc.NewClock(hlc.Config{MaxSkew: time.Minute})

	fmt.Println(clock.Observe(hlc.FromTime(wall.Add(time.Minute)), wall))

	err := clock.Observe(hlc.FromTime(wall.Add(time.Minute+time.Millisecond)), wall)
	var skew *hlc.SkewError
	fmt.Println(errors.Is(err, hlc.ErrSkew), errors.As(err, &skew), skew.Ahead)
	// Output:
	// <nil>
	// true true 1m0.001s
}

// A clock that survives restarts: the ceiling is stored before any stamp up to it is issued.
func ExampleConfig_reserve() {
	var stored hlc.Timestamp // on disk in real life
	config := func() hlc.Config {
		return hlc.Config{Ceiling: stored, Reserve: func(t hlc.Timestamp) error { stored = t; return nil }}
	}
	wall := time.UnixMilli(1_700_000_000_000)

	before, _ := hlc.NewClock(config()).Now(wall)
	after, _ := hlc.NewClock(config()).Now(wall.Add(-time.Hour)) // restarted with the wall clock set back

	fmt.Println(before.Compare(after) < 0)
	// Output: true
}

func ExampleTimestamp() {
	t := hlc.Make(1_700_000_000_000, 7)
	fmt.Println(t, t.Time().Format(time.RFC3339), t.Logical())
	fmt.Println(t.Add(1500*time.Microsecond).Sub(t), "later, in whole milliseconds")
	// Output:
	// 018bcfe568000007 2023-11-14T22:13:20Z 7
	// 2ms later, in whole milliseconds
}

func ExampleParse() {
	t, err := hlc.Parse("018bcfe568000007")
	fmt.Println(t.Time(), t.Logical(), err)
	_, err = hlc.Parse("018BCFE568000007")
	fmt.Println(err)
	// Output:
	// 2023-11-14 22:13:20 +0000 UTC 7 <nil>
	// hlc: timestamp "018BCFE568000007" has 'B' at position 3, want lower-case hexadecimal digits
}
