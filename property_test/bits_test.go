package property_test

// bits is a set of small numbers. The zero value is empty.
type bits []uint64

func (b bits) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b *bits) set(i int) {
	b.grow(i>>6 + 1)
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b *bits) grow(words int) {
	for len(*b) < words {
		*b = append(*b, 0)
	}
}

// reset empties the set and keeps its memory.
func (b bits) reset() { clear(b) }
