package store

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Tuned returns options under which little data goes through all the engine does.
func Tuned(o Options, foldAfter int, tune func(*pebble.Options)) Options {
	o.foldAfter, o.tune = foldAfter, tune
	return o
}

// FlushTables writes what the engine holds in memory to tables.
func (s *Store) FlushTables() error { return s.db.Flush() }

// Smaller makes what does not depend on the data small: how long the engine rests
// after a failure, and filters.
func Smaller(rest time.Duration, filter int) { pace, firstLayer = rest, filter }
