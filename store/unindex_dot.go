//go:build !mutant_dot_row_left

package store

import "github.com/minikv/minikv/lwwmap"

// unindexDot takes out the row that leads from a record's dot to it.
func (t *table) unindexDot(r lwwmap.Record) {
	t.key = appendPlaceOfDot(t.key[:0], t.number, r)
	t.delete(t.dots, t.key)
}
