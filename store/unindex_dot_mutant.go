//go:build mutant_dot_row_left

package store

import "github.com/minikv/minikv/lwwmap"

// A planted bug: the row of a dot stays when its record is overwritten.
func (t *table) unindexDot(lwwmap.Record) {}
