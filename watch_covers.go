//go:build !mutant_position_covers_waiting

package minikv

import "github.com/minikv/minikv/crdt"

// undelivered is what a position must not cover. The watch is locked.
func (w *watch) undelivered() *crdt.Context {
	var waiting crdt.Context
	for _, p := range w.pending {
		waiting.Add(p.rec.Dot())
	}
	return &waiting
}
