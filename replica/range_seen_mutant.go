//go:build mutant_range_despite_refusal

package replica

// A planted bug: a range counts as seen although an entry in it was refused.
func rangeSeen(bool) bool { return true }
