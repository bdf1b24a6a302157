package store

import (
	"encoding/binary"
	"errors"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// registry checks one registry.
func (c *checker) registry(one *checked) error {
	name := one.r.Name
	t := &table{view: view{s: c.s, number: one.number}}
	if state, err := t.loadState(c.s.db); err != nil {
		c.report.fault(FaultState, name, "%v", err)
	} else {
		one.state = &state
		c.raise(state.Clock)
		for _, o := range state.Horizons {
			c.raise(o.Stamp)
		}
	}
	from := appendPrefix(nil, one.number, classEntry)
	err := c.each(name, from, after(from), func(k, v []byte) { c.entry(one, k, v) })
	if err != nil {
		return err
	}
	found := [3]int{}
	for i, class := range []class{classDot, classExpiry, classTombstone} {
		from := appendPrefix(nil, one.number, class)
		err := c.each(name, from, after(from), func(k, _ []byte) {
			if c.indexed(one, class, k) {
				found[i]++
			}
		})
		if err != nil {
			return err
		}
	}
	if found != one.rows {
		c.report.fault(FaultIndex, name, "%d, %d and %d entries are found by dot, by expiry and by age of tombstone, %d, %d and %d should be",
			found[0], found[1], found[2], one.rows[0], one.rows[1], one.rows[2])
	}
	if err := c.otherRows(one); err != nil {
		return err
	}
	c.compare(one)
	return nil
}

// raise notes a stamp that the clock must not go back behind.
func (c *checker) raise(t hlc.Timestamp) { c.ceiling = max(c.ceiling, t) }

// whole returns the record of an entry row, and what is wrong with it.
func (c *checker) whole(one *checked, k, v []byte) (lwwmap.Record, string) {
	kind, key, ok := splitKind(k[prefixLen:])
	if !ok {
		return lwwmap.Record{}, "its key"
	}
	r, err := lwwmap.ParseRecord(append([]byte(nil), v...))
	switch {
	case err != nil:
		return lwwmap.Record{}, err.Error()
	case r.Kind() != kind || r.Key() != key:
		return lwwmap.Record{}, "it is the record of another key"
	case one.digests != nil && !one.digests.Intact(r):
		return lwwmap.Record{}, "it does not fit its hash"
	}
	return r, ""
}

func (c *checker) entry(one *checked, k, v []byte) {
	r, wrong := c.whole(one, k, v)
	if wrong != "" {
		c.report.fault(FaultEntry, one.r.Name, "%q: %s", k[prefixLen:], wrong)
		return
	}
	if one.state != nil && !one.state.Context.Has(r.Dot()) {
		c.report.fault(FaultContext, one.r.Name, "%s %q was written by %s, which was not seen", r.Kind(), r.Key(), r.Dot())
	}
	one.held.Add(r.Dot())
	one.rows[0]++
	if r.Expires() != 0 {
		one.rows[1]++
	}
	if r.Deleted() {
		one.rows[2]++
	} else {
		one.sums.Add(lwwmap.BucketOf(r.Kind(), r.Key()), r.Hash())
	}
	one.counts.Add(r, 1)
	c.raise(r.Stamp())
}

// indexed says whether an index row leads to an entry that is right.
func (c *checker) indexed(one *checked, class class, k []byte) bool {
	head := 8
	if class == classDot {
		head = 16
	}
	if len(k) < prefixLen+head {
		c.report.fault(FaultIndex, one.r.Name, "%q is too short", k)
		return false
	}
	at, kind, key, ok := binary.BigEndian.Uint64(k[prefixLen:]), lwwmap.Kind(0), "", false
	if kind, key, ok = splitKind(k[prefixLen+head:]); !ok {
		c.report.fault(FaultIndex, one.r.Name, "%q leads to no key", k)
		return false
	}
	row := appendEntryKey(nil, one.number, kind, key)
	v, err := c.s.get(row)
	wrong := "unreadable"
	var r lwwmap.Record
	if err == nil {
		wrong = "not there"
	}
	if v != nil {
		r, wrong = c.whole(one, row, v)
	}
	if wrong == "" {
		switch class {
		case classDot:
			ok = r.Dot() == dotOf(k)
		case classExpiry:
			ok = uint64(r.Expires()) == at
		default:
			ok = r.Deleted() && uint64(r.Stamp()) == at
		}
		if ok {
			c.apart(one, row, v, r)
			return true
		}
		wrong = "another one"
	}
	c.report.fault(FaultIndex, one.r.Name, "%q leads to %s %q, which is %s", k[:prefixLen+head], kind, key, wrong)
	if class == classDot {
		one.lost[dotOf(k)] = struct{}{}
	}
	return false
}

// apart notes an entry that only an index leads to: what lies between two parts that
// cannot be read is not met otherwise, see each.
func (c *checker) apart(one *checked, row, v []byte, r lwwmap.Record) {
	if one.held.Has(r.Dot()) {
		return
	}
	if one.between == nil {
		one.between = map[string]bool{}
	}
	one.between[string(row)] = true
	c.entry(one, row, v)
}

func dotOf(k []byte) crdt.Dot {
	return crdt.Dot{Actor: crdt.Actor(binary.BigEndian.Uint64(k[prefixLen:])), Seq: binary.BigEndian.Uint64(k[prefixLen+8:])}
}

// otherRows looks for rows of no known class.
func (c *checker) otherRows(one *checked) error {
	from := binary.BigEndian.AppendUint32(nil, uint32(one.number))
	known := []class{classFilter, classCheckpoint, classDot, classEntry, classJournal, classTombstone, classExpiry} // ascending
	var errs []error
	for i := 0; i <= len(known); i++ {
		to := after(binary.BigEndian.AppendUint32(nil, uint32(one.number)))
		if i < len(known) {
			to = appendPrefix(nil, one.number, known[i])
		}
		errs = append(errs, c.each(one.r.Name, from, to, func(k, _ []byte) { c.report.fault(FaultUnknownRow, one.r.Name, "%q", k) }))
		if i < len(known) {
			from = after(to)
		}
	}
	return errors.Join(errs...)
}

// compare compares what is held with what should be, and says what is lost.
func (c *checker) compare(one *checked) {
	one.r.Keys, one.r.Tombstones = one.counts.Live[0], one.counts.Tombstones
	for _, n := range one.counts.Live {
		one.r.Entries += n
	}
	for d := range one.lost {
		if one.held.Has(d) { // another entry has it
			delete(one.lost, d)
		}
	}
	one.r.Lost = len(one.lost)
	if one.state == nil {
		one.r.Unknown = true
		return
	}
	if got, want := one.counts, one.state.Counts; got != want {
		c.report.fault(FaultDigest, one.r.Name, "totals are %+v, those of the entries %+v", want, got)
	}
	if got, want := one.sums.Root(), one.state.Sums.Root(); got != want {
		c.report.fault(FaultDigest, one.r.Name, "the digest is %s, that of the entries %s", want, got)
	} else if n := buckets(&one.sums, &one.state.Sums); n > 0 {
		c.report.fault(FaultDigest, one.r.Name, "%d parts of the digest tree are not those of the entries", n)
	}
	total := func(n lwwmap.Counts) (all int) {
		for _, live := range n.Live {
			all += live
		}
		return all + n.Tombstones
	}
	one.r.Unknown = total(one.state.Counts) != total(one.counts)+len(one.lost)
}

// buckets counts the leaves in which two trees differ.
func buckets(a, b *lwwmap.HashTree) (n int) {
	for i := range lwwmap.Fanout * lwwmap.Fanout {
		if a.Leaf(lwwmap.Bucket(i)) != b.Leaf(lwwmap.Bucket(i)) {
			n++
		}
	}
	return n
}
