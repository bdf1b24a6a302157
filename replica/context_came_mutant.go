//go:build mutant_context_early

package replica

// A planted bug: the context of the peer is merged before its entries have come.
func (s *Session) contextCame() { s.r.m.Context().Join(s.peerContext) }
