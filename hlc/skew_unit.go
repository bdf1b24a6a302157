//go:build !mutant_skew_unit

package hlc

// skewUnit is what a bound on skew, in milliseconds, is counted in.
const skewUnit = 1
