//go:build mutant_tie_rule

package lwwmap

// A planted bug: of two writes with one stamp, the one asked first wins.
func (o Order) compareActor(p Order) int {
	if o.Actor == p.Actor {
		return 0
	}
	return 1
}
