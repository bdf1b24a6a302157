//go:build !mutant_horizon_alone

package lwwmap

// overtaken says whether x goes because the other side saw it and went on.
func overtaken(x Item, other Side) bool {
	if !other.Seen || (other.Holds && other.Held.Dot == x.Dot) {
		return false
	}
	return (other.Holds && other.Held.Compare(x) > 0) || x.Order.Compare(other.Horizon) <= 0
}
