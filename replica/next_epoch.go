//go:build !mutant_token_reused

package replica

import "github.com/minikv/minikv/lwwmap"

// nextEpoch is the lowest epoch of a claim that follows the given lease.
func nextEpoch(last lwwmap.Token) uint64 { return last.Epoch() + 1 }
