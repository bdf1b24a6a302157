package store

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// recent keeps records that were set and not read by dot since: what was just
// written is sent to peers next, in the order of dots, and would have to be
// looked for key by key. A record here is of use only where a row says that it is
// still held. When it is full it waits for the one who reads to catch up; when
// nobody does it begins anew.
type recent struct {
	byDot map[crdt.Dot]lwwmap.Record
	bytes int // of their records
	idle  int // records set since one was read
}

// Bounds of recent, for each registry.
const (
	recentBytes = 64 << 20
	recentIdle  = 64 << 10
)

func (r *recent) add(rec lwwmap.Record) {
	if r.idle++; r.bytes+rec.Size() > recentBytes {
		if r.idle < recentIdle {
			return
		}
		*r = recent{}
	}
	if r.byDot == nil {
		r.byDot = map[crdt.Dot]lwwmap.Record{}
	}
	dot := rec.Dot()
	if old, ok := r.byDot[dot]; ok { // a forged dot
		r.bytes -= old.Size()
	}
	r.byDot[dot] = rec
	r.bytes += rec.Size()
}

// take returns the record with this dot and key, if it is here, and forgets it.
func (r *recent) take(dot crdt.Dot, kind lwwmap.Kind, key string) (lwwmap.Record, bool) {
	rec, ok := r.byDot[dot]
	if !ok || rec.Kind() != kind || rec.Key() != key {
		return lwwmap.Record{}, false
	}
	delete(r.byDot, dot)
	r.bytes -= rec.Size()
	r.idle = 0
	return rec, true
}
