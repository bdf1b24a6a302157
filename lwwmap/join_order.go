//go:build !mutant_join_order

package lwwmap

// survivors says which side keeps its entry against what the other has seen,
// before the higher one is taken.
func survivors(a, b Side) (first, second bool) {
	return a.Holds && !overtaken(a.Held, b), b.Holds && !overtaken(b.Held, a)
}
