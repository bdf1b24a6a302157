package store

import (
	"sync/atomic"

	"github.com/minikv/minikv/lwwmap"
)

// hot keeps records that took the place of others of late: a key that is written once
// more would have to be looked for in all levels of the engine first, which costs more
// than the write. There are two generations; what is written goes to the young one, and
// when that is full the old one goes. Any number may look while nobody changes it.
type hot struct {
	share      *hotShare
	young, old map[uint64]lwwmap.Record // by filterSum: of two keys with the same it has one
	bytes      int                      // of young
}

// hotShare is what the tables of a store have for this together. One that nobody
// writes to may keep what it had when there were fewer.
type hotShare struct {
	bytes  int
	tables atomic.Int32
}

// hotOverhead is what a record takes beside its own bytes.
const hotOverhead = 48

// get returns the record of a key, the zero one if it is not here.
func (h *hot) get(kind lwwmap.Kind, key string) lwwmap.Record {
	if len(h.young)+len(h.old) == 0 {
		return lwwmap.Record{}
	}
	sum := filterSum(kind, key)
	if rec := h.young[sum]; isOf(rec, kind, key) {
		return rec
	}
	if rec := h.old[sum]; isOf(rec, kind, key) {
		return rec
	}
	return lwwmap.Record{}
}

func isOf(rec lwwmap.Record, kind lwwmap.Kind, key string) bool {
	return !rec.IsZero() && rec.Kind() == kind && rec.Key() == key
}

// set keeps a record that has taken the place of another.
func (h *hot) set(rec lwwmap.Record) {
	sum := filterSum(rec.Kind(), rec.Key())
	h.drop(sum)
	size := rec.Size() + hotOverhead
	limit := h.share.bytes / 2 / int(max(h.share.tables.Load(), 1))
	if size > limit/8 {
		return
	}
	if h.bytes+size > limit {
		h.young, h.old, h.bytes = nil, h.young, 0
	}
	if h.young == nil {
		h.young = map[uint64]lwwmap.Record{}
	}
	h.young[sum] = rec
	h.bytes += size
}

// remove forgets a key that holds nothing any more.
func (h *hot) remove(rec lwwmap.Record) { h.drop(filterSum(rec.Kind(), rec.Key())) }

func (h *hot) drop(sum uint64) {
	if was, ok := h.young[sum]; ok {
		h.bytes -= was.Size() + hotOverhead
		delete(h.young, sum)
	}
	delete(h.old, sum)
}

// reset forgets all: what is here may be of a step that is given up.
func (h *hot) reset() { h.young, h.old, h.bytes = nil, nil, 0 }
