package lwwmap

// Touch looks at the places in memory that a write of the key will look at, and changes nothing. A write waits for each
// of them; where many keys are touched in a row, before all are written, the processor waits for several at once. It
// returns a byte of what it saw, so that it is not optimized away. A map that is not in memory does nothing.
func (m *Map) Touch(kind Kind, key string) (seen byte) {
	t, ok := m.rows.(*memory)
	if !ok {
		return 0
	}
	at := slot(kind, key)
	leaf := m.state.Sums.Leaf(bucketOf(at))
	seen = leaf[0]
	if s := t.bySlot[at]; s.cell != nil {
		seen += s.rec.form() + byte(s.gen)
	}
	return seen
}
