//go:build !mutant_tie_rule

package lwwmap

import "cmp"

// compareActor breaks a tie of stamps.
func (o Order) compareActor(p Order) int { return cmp.Compare(o.Actor, p.Actor) }
