//go:build !mutant_later_claim

package lwwmap

import "github.com/minikv/minikv/hlc"

// claimBits is a claim stamp as a part of tokens: its complement, so that the
// earlier claim is the higher.
func claimBits(t hlc.Timestamp) uint64 { return ^uint64(t) }

// claimOf takes it back.
func claimOf(bits uint64) hlc.Timestamp { return hlc.Timestamp(^bits) }
