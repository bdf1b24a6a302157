package crdt

import "testing"

// SetFullBlock has contexts go on in blocks of n spans until the test ends.
func SetFullBlock(t testing.TB, n int) {
	was := fullBlock
	fullBlock = n
	t.Cleanup(func() { fullBlock = was })
}
