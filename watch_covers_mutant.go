//go:build mutant_position_covers_waiting

package minikv

import "github.com/minikv/minikv/crdt"

// A planted bug: a position covers what still waits, so a resumed watch misses it.
func (w *watch) undelivered() *crdt.Context { return new(crdt.Context) }
