//go:build mutant_join_order

package lwwmap

// A planted bug: the higher entry is taken first, and only then judged by what
// the other side has seen.
func survivors(a, b Side) (first, second bool) {
	higher := a.Holds && (!b.Holds || a.Held.Compare(b.Held) > 0)
	return higher && !overtaken(a.Held, b), !higher && b.Holds && !overtaken(b.Held, a)
}
