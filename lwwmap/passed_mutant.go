//go:build mutant_horizon_still

package lwwmap

// A planted bug: what is forgotten leaves no horizon behind.
func (m *Map) passed(Record) {}
