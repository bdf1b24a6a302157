//go:build mutant_horizon_alone

package lwwmap

// A planted bug: the horizon alone is asked, not what the other side holds.
func overtaken(x Item, other Side) bool {
	return other.Seen && !(other.Holds && other.Held.Dot == x.Dot) && x.Order.Compare(other.Horizon) <= 0
}
