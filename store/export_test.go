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

// SetPace changes how long the engine rests after a failure.
func SetPace(d time.Duration) { pace = d }
