package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// view reads the rows of one registry. It gathers a page of records while it
// holds the engine, and hands them out after that: so a slow reader, or one that
// closes the store, holds up nobody.
type view struct {
	s      *Store
	number number
	reader func() (pebble.Reader, error)
	snap   *pebble.Snapshot // of a fork
	// mayHave says no only for keys that the table never held.
	mayHave func(lwwmap.Kind, string) bool
	failed  atomic.Pointer[error]
}

// pageLen is how many records are gathered at a time: few for the first page,
// for many want no more than one record.
const (
	firstPage = 8
	pageLen   = 256
)

func (v *view) fail(err error) { v.failed.CompareAndSwap(nil, &err) }

// Err implements [lwwmap.View].
func (v *view) Err() error {
	if err := v.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Get implements [lwwmap.View].
func (v *view) Get(kind lwwmap.Kind, key string) (rec lwwmap.Record) {
	if !v.mayHave(kind, key) {
		return rec
	}
	err := v.s.use(func() error {
		r, err := v.reader()
		if err == nil {
			rec, err = v.read(r, kind, key)
		}
		return err
	})
	if err != nil {
		v.fail(err)
	}
	return rec
}

// read returns the record of a key, the zero one if it holds nothing.
func (v *view) read(r pebble.Reader, kind lwwmap.Kind, key string) (lwwmap.Record, error) {
	var room [128]byte
	val, closer, err := r.Get(appendEntryKey(room[:0], v.number, kind, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return lwwmap.Record{}, nil
	}
	if err != nil {
		return lwwmap.Record{}, v.s.corrupt(err)
	}
	defer closer.Close()
	return v.parse(kind, key, val)
}

// parse copies a record out of the engine.
func (v *view) parse(kind lwwmap.Kind, key string, val []byte) (lwwmap.Record, error) {
	rec, err := lwwmap.ParseRecord(append(make([]byte, 0, len(val)), val...))
	if err != nil || rec.Kind() != kind || rec.Key() != key {
		return lwwmap.Record{}, fmt.Errorf("%w: %s: the record of %s %q; run minikv check", ErrCorrupt, v.s.dir, kind, key)
	}
	return rec, nil
}

// pages calls fn for the record of each row with from <= key < to, until it
// returns false. record makes it of a row.
func (v *view) pages(from, to []byte, record func(r pebble.Reader, k, val []byte) (lwwmap.Record, error), fn func(lwwmap.Record) bool) bool {
	for size := firstPage; ; size = pageLen {
		page, next, err := v.page(from, to, size, record)
		for _, rec := range page {
			if !fn(rec) {
				return false
			}
		}
		if err != nil {
			v.fail(err)
			return false
		}
		if next == nil {
			return true
		}
		from = next
	}
}

// page gathers up to size records, and returns where the next page begins, nil
// at the end.
func (v *view) page(from, to []byte, size int, record func(r pebble.Reader, k, val []byte) (lwwmap.Record, error)) (page []lwwmap.Record, next []byte, err error) {
	err = v.s.use(func() error {
		r, err := v.reader()
		if err != nil {
			return err
		}
		it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			return v.s.corrupt(err)
		}
		for ok := it.First(); ok; ok = it.Next() {
			if len(page) == size {
				next = append([]byte(nil), it.Key()...)
				break
			}
			rec, err := record(r, it.Key(), it.Value())
			if err != nil {
				_ = it.Close() // the record's error is the one to tell
				return err
			}
			page = append(page, rec)
		}
		if err := it.Close(); err != nil {
			return v.s.corrupt(err)
		}
		return nil
	})
	return page, next, err
}

// Ascend implements [lwwmap.View].
func (v *view) Ascend(kind lwwmap.Kind, from, to string, fn func(lwwmap.Record) bool) {
	lower, upper := appendEntryKey(nil, v.number, kind, from), appendEntryKey(nil, v.number, kind, to)
	if to == "" {
		upper = after(upper)
	}
	v.pages(lower, upper, func(_ pebble.Reader, k, val []byte) (lwwmap.Record, error) {
		return v.parse(kind, string(k[prefixLen+1:]), val)
	}, fn)
}

// Dots implements [lwwmap.View].
func (v *view) Dots(span crdt.Span, fn func(lwwmap.Record) bool) {
	for _, r := range span.Ranges {
		if !v.dotRange(span.Actor, r, fn) {
			return
		}
	}
}

// dotRange is Dots for one range.
func (v *view) dotRange(a crdt.Actor, r crdt.Range, fn func(lwwmap.Record) bool) bool {
	from := appendDotKey(nil, v.number, crdt.Dot{Actor: a, Seq: r.Lo})
	to := after(appendDotKey(nil, v.number, crdt.Dot{Actor: a, Seq: r.Hi}))
	return v.pages(from, to, v.pointed, fn)
}

// pointed returns the record that a dot row points to.
func (v *view) pointed(r pebble.Reader, k, _ []byte) (lwwmap.Record, error) {
	if len(k) < prefixLen+16 {
		return lwwmap.Record{}, fmt.Errorf("%w: %s: a row by dot; run minikv check", ErrCorrupt, v.s.dir)
	}
	dot := crdt.Dot{Actor: crdt.Actor(binary.BigEndian.Uint64(k[prefixLen:])), Seq: binary.BigEndian.Uint64(k[prefixLen+8:])}
	kind, key, _ := splitKind(k[prefixLen+16:])
	return v.follow(r, kind, key, func(rec lwwmap.Record) bool { return rec.Dot() == dot })
}

// follow returns the record that an index row speaks of.
func (v *view) follow(r pebble.Reader, kind lwwmap.Kind, key string, is func(lwwmap.Record) bool) (lwwmap.Record, error) {
	rec, err := v.read(r, kind, key)
	if err == nil && (rec.IsZero() || !is(rec)) {
		err = fmt.Errorf("%w: %s: an index row of %s %q does not fit its record; run minikv check", ErrCorrupt, v.s.dir, kind, key)
	}
	return rec, err
}

// Expiring implements [lwwmap.View].
func (v *view) Expiring(fn func(lwwmap.Record) bool) {
	v.byTime(classExpiry, lwwmap.Record.Expires, fn)
}

// OldestTombstones implements [lwwmap.View].
func (v *view) OldestTombstones(fn func(lwwmap.Record) bool) {
	v.byTime(classTombstone, lwwmap.Record.Stamp, fn)
}

func (v *view) byTime(c class, at func(lwwmap.Record) hlc.Timestamp, fn func(lwwmap.Record) bool) {
	prefix := appendPrefix(nil, v.number, c)
	v.pages(prefix, after(prefix), func(r pebble.Reader, k, _ []byte) (lwwmap.Record, error) {
		if len(k) < prefixLen+8 {
			return lwwmap.Record{}, fmt.Errorf("%w: %s: a row by time; run minikv check", ErrCorrupt, v.s.dir)
		}
		when := hlc.Timestamp(binary.BigEndian.Uint64(k[prefixLen:]))
		kind, key, _ := splitKind(k[prefixLen+8:])
		return v.follow(r, kind, key, func(rec lwwmap.Record) bool { return at(rec) == when })
	}, fn)
}

// take makes the view that of a snapshot, until Close. The store is in use.
func (v *view) take() {
	v.snap = v.s.db.NewSnapshot()
	v.s.viewMu.Lock()
	v.s.views[v] = true
	v.s.viewMu.Unlock()
}

// Close implements [lwwmap.View].
func (v *view) Close() {
	v.s.life.RLock()
	defer v.s.life.RUnlock()
	v.s.viewMu.Lock()
	defer v.s.viewMu.Unlock()
	if v.s.views[v] {
		v.release()
	}
}

// release gives the snapshot back. The list of views is locked.
func (v *view) release() {
	delete(v.s.views, v)
	if err := v.snap.Close(); err != nil {
		v.fail(err)
	}
}
