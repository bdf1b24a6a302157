//go:build mutant_tombstones_unshipped

package replica

import "github.com/minikv/minikv/lwwmap"

// A planted bug: sessions do not send tombstones.
func ships(rec lwwmap.Record) bool { return !rec.Deleted() }
