package lwwmap

// Side is what one replica brings to the join of one key.
type Side struct {
	Held    Item  // what it holds for the key
	Holds   bool  // false: nothing
	Seen    bool  // its context holds the dot of the other side's entry
	Horizon Order // its collection horizon for this kind of entry
}

// Choice is what a join leaves of two sides.
type Choice uint8

const (
	Neither Choice = iota
	First
	Second
	Both // both sides hold the same record
)

// Resolve joins one key, judging both sides as they stood before. An entry
// whose dot the other side has seen, while the other does not hold that entry,
// was overtaken there: it is dropped if the other holds a higher entry (a
// tombstone counts), or if it is not above the other's collection horizon.
// Then the higher of what remains, or nothing. Observed-remove first, order
// second: the other way round brings deleted keys back.
func Resolve(a, b Side) Choice {
	if a.Holds && b.Holds && a.Held.Dot == b.Held.Dot && a.Held.Hash == b.Held.Hash {
		return Both
	}
	keepA, keepB := survivors(a, b)
	switch {
	case keepA && keepB:
		if a.Held.Compare(b.Held) > 0 {
			return First
		}
		return Second
	case keepA:
		return First
	case keepB:
		return Second
	}
	return Neither
}
