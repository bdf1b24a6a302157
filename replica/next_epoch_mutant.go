//go:build mutant_token_reused

package replica

import "github.com/minikv/minikv/lwwmap"

// A planted bug: the next holder gets the epoch of the last one.
func nextEpoch(last lwwmap.Token) uint64 { return last.Epoch() }
