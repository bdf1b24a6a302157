package lwwmap

import "github.com/minikv/minikv/hlc"

// Collect forgets up to max tombstones stamped at or before olderThan, the
// oldest first, and says how many. It is safe at any time, whatever other
// replicas have seen: the context remembers the delete. Collecting late only
// spares peers that were away the slower way of settling by digests.
func (m *Map) Collect(olderThan hlc.Timestamp, max int) (n int) {
	for ; n < max; n++ {
		t, ok := m.tombs.Min()
		if !ok || t.at > olderThan {
			break
		}
		m.Forget(t.rec)
	}
	return n
}

// Expire takes up to max entries out that expired at or before now, the
// earliest first, and returns them. No message is needed: every replica does
// so by its own clock.
func (m *Map) Expire(now hlc.Timestamp, max int) (gone []Record) {
	for len(gone) < max {
		t, ok := m.expiring.Min()
		if !ok || t.at > now {
			break
		}
		m.Forget(t.rec)
		gone = append(gone, t.rec)
	}
	return gone
}

// NextExpiry returns when the next entry expires, zero if none does.
func (m *Map) NextExpiry() hlc.Timestamp {
	t, _ := m.expiring.Min()
	return t.at
}

// Forget takes out a record that is held, and raises the horizon to it.
func (m *Map) Forget(r Record) {
	m.passed(r)
	at := slot(r.Kind(), r.Key())
	m.remove(at, m.at(at, r.Kind(), r.Key()))
}
