package store

import (
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/lwwmap"
)

// Tuned returns options under which little data goes through all the engine does.
func Tuned(o Options, foldAfter int, tune func(*pebble.Options)) Options {
	o.foldAfter, o.tune = foldAfter, tune
	return o
}

// FewUnsent makes what a backlog keeps in memory small.
func FewUnsent(o Options, bytes int) Options {
	o.unsent = bytes
	return o
}

// FlushTables writes what the engine holds in memory to tables.
func (s *Store) FlushTables() error { return s.db.Flush() }

// Smaller makes what does not depend on the data small: how long the engine rests
// after a failure, and filters.
func Smaller(rest time.Duration, filter int) { pace, firstLayer = rest, filter }

// Reencode reads a state row, and writes what it has read.
func Reencode(row []byte) ([]byte, error) {
	step, err := readStep(row)
	if err != nil {
		return nil, err
	}
	newState().Apply(step)
	return appendStep(nil, step), nil
}

// StateRow is the state of a map as a row.
func StateRow(m *lwwmap.Map) []byte {
	return appendStep(nil, &lwwmap.Step{
		Seen: m.Context().Spans(), Horizons: m.Horizons(),
		Sums: []lwwmap.BucketDelta{{Bucket: 7, Delta: lwwmap.Digest{1}}},
	})
}

// Hot is what keeps records that were overwritten.
type Hot struct{ hot }

// NewHot has room for so many bytes, for some tables.
func NewHot(bytes, tables int) *Hot {
	h := &Hot{hot{share: &hotShare{bytes: bytes}}}
	h.share.tables.Store(int32(tables))
	return h
}

func (h *Hot) Get(key string) lwwmap.Record { return h.get(lwwmap.Data, key) }
func (h *Hot) Set(rec lwwmap.Record)        { h.set(rec) }
func (h *Hot) Remove(rec lwwmap.Record)     { h.remove(rec) }

// Bytes is what it takes.
func (h *Hot) Bytes() (n int) {
	for _, gen := range []map[uint64]lwwmap.Record{h.young, h.old} {
		for _, rec := range gen {
			n += rec.Size() + hotOverhead
		}
	}
	return n
}

// DB is the engine, to do damage.
func (s *Store) DB() *pebble.DB { return s.db }

// WaitForFilters returns when no filter is being built.
func (s *Store) WaitForFilters() { s.building.Wait() }
