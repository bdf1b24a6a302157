//go:build mutant_later_claim

package lwwmap

import "github.com/minikv/minikv/hlc"

// A planted bug: the later claim is the higher.
func claimBits(t hlc.Timestamp) uint64 { return uint64(t) }

func claimOf(bits uint64) hlc.Timestamp { return hlc.Timestamp(bits) }
