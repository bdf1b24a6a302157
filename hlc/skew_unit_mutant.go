//go:build mutant_skew_unit

package hlc

// A planted bug: a slip of units makes the bound a thousand times as wide.
const skewUnit = 1000
