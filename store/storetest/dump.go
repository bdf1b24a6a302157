package storetest

import (
	"crypto/sha256"
	"fmt"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// DigestKey is that of the maps in these tests.
var DigestKey = []byte("digest")

// List returns what a walk shows, at most max records.
func List(max int, walk func(func(lwwmap.Record) bool)) (all []string) {
	walk(func(r lwwmap.Record) bool {
		if len(all) == max {
			return false
		}
		fence, base := r.Fence()
		all = append(all, fmt.Sprintf("%s %.40q %d %s %x %d %s %d %s %d", r.Kind(), r.Key(), len(r.Key()), r.Dot(),
			sha256.Sum256(r.Value()), r.Expires(), fence, base, r.Hash(), r.Stamp()))
		return true
	})
	return all
}

// Everything is more than any walk shows.
const Everything = 1 << 30

// Rows returns all that a view shows: by key, by dot, by time.
func Rows(v lwwmap.View, context *crdt.Context) map[string][]string {
	rows := map[string][]string{
		"expiring":   List(Everything, v.Expiring),
		"tombstones": List(Everything, v.OldestTombstones),
	}
	for k := lwwmap.Data; k <= lwwmap.Origin; k++ {
		rows[k.String()] = List(Everything, func(fn func(lwwmap.Record) bool) { v.Ascend(k, "", "", fn) })
	}
	for _, s := range context.Spans() {
		rows[s.Actor.String()] = List(Everything, func(fn func(lwwmap.Record) bool) { v.Dots(s, fn) })
	}
	return rows
}

// State returns all that a map knows beyond its records.
func State(m *lwwmap.Map) []any {
	s := m.Snapshot()
	defer s.Close()
	sums := s.SumsAt(0)
	var tops []any
	for i, d := range sums.Tops() {
		tops = append(tops, i, d, string(sums.AppendTop(nil, i)))
	}
	return []any{
		m.Root(), tops, m.Len(lwwmap.Data), m.Len(lwwmap.Lease), m.Len(lwwmap.Origin), m.Tombstones(), m.Bytes(),
		m.Horizons(), m.Context().Spans(),
	}
}
