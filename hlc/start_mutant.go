//go:build mutant_ceiling_forgotten

package hlc

// A planted bug: a clock forgets what an earlier one may have issued.
func start(Timestamp) Timestamp { return 0 }
