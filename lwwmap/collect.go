package lwwmap

import "github.com/minikv/minikv/hlc"

// Collect forgets up to max tombstones stamped at or before olderThan, the
// oldest first, and says how many. It is safe at any time, whatever other
// replicas have seen: the context remembers the delete. Collecting late only
// spares peers that were away the slower way of settling by digests.
func (m *Map) Collect(olderThan hlc.Timestamp, max int) int {
	old := first(m.OldestTombstones, max, func(r Record) bool { return r.Stamp() <= olderThan })
	for _, r := range old {
		m.Forget(r)
	}
	return len(old)
}

// Expire takes up to max entries out that expired at or before now, the
// earliest first, and returns them. No message is needed: every replica does
// so by its own clock.
func (m *Map) Expire(now hlc.Timestamp, max int) (gone []Record) {
	if m.next == 0 || m.next > now {
		return nil
	}
	gone = first(m.Expiring, max, func(r Record) bool { return r.Expires() <= now })
	for _, r := range gone {
		m.Forget(r)
	}
	m.findNext()
	return gone
}

// first gathers up to max records from the start of an order, as long as want
// says so.
func first(walk func(func(Record) bool), max int, want func(Record) bool) (found []Record) {
	walk(func(r Record) bool {
		if len(found) == max || !want(r) {
			return false
		}
		found = append(found, r)
		return true
	})
	return found
}

// NextExpiry returns a time before which no entry expires, zero if none does.
// When nothing was taken out since Expire, it is that of the next one.
func (m *Map) NextExpiry() hlc.Timestamp { return m.next }

func (m *Map) findNext() {
	m.next = 0
	m.Expiring(func(r Record) bool {
		m.next = r.Expires()
		return false
	})
}

// Forget takes out a record that is held, and raises the horizon to it.
func (m *Map) Forget(r Record) {
	m.passed(r)
	p := m.Find(r.Kind(), r.Key())
	m.remove(&p)
}
