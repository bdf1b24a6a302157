//go:build !mutant_context_early

package replica

// contextCame is called when the context of the peer is complete. It must not be
// merged yet: neither have the entries come, nor is the result verified.
func (s *Session) contextCame() {}
