package store

import "sync/atomic"

// unsynced are the places of a table that have changed since the last fsync but
// one, in the order of the changes: all that may be lost with the disk.
type unsynced struct {
	places  []place
	gone    int          // from the front
	durable atomic.Int64 // changes that are, ever
	trim    int          // length at which to look
}

const trimUnsynced = 1 << 10

// end is the number of changes ever.
func (u *unsynced) end() int { return u.gone + len(u.places) }

func (u *unsynced) add(p place) {
	if len(u.places) >= max(u.trim, trimUnsynced) {
		n := int(u.durable.Load()) - u.gone
		left := copy(u.places, u.places[n:])
		clear(u.places[left:])
		u.places, u.gone = u.places[:left], u.gone+n
		u.trim = 2 * left
	}
	u.places = append(u.places, p)
}
