package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

var digestKey = []byte("digest")

// twin is the same map in memory and on disk.
type twin struct {
	fs     vfs.FS
	store  *store.Store
	memory *lwwmap.Map
	disk   *lwwmap.Map
	clock  hlc.Timestamp
	seqs   map[crdt.Actor]uint64
	gather bool
}

func newTwin(t *rapid.T) *twin {
	w := &twin{gather: rapid.Bool().Draw(t, "gather"), fs: vfs.NewMem(), memory: lwwmap.New(digestKey), seqs: map[crdt.Actor]uint64{}, clock: 1 << 20}
	w.open(t)
	return w
}

func (w *twin) open(t require.TestingT) {
	var err error
	w.store, err = store.Open("data", store.Options{FS: w.fs})
	require.NoError(t, err)
	w.disk, err = w.store.Map("registry", digestKey, []byte("about"))
	require.NoError(t, err)
	if w.gather {
		w.store.Gather("registry", new(sync.Mutex))
	}
}

func (w *twin) both(t require.TestingT, fn func(m *lwwmap.Map) any) {
	require.Equal(t, fn(w.memory), fn(w.disk))
}

func (w *twin) entry(t *rapid.T) lwwmap.Entry {
	actor := crdt.Actor(rapid.Uint64Range(1, 3).Draw(t, "actor"))
	w.seqs[actor]++
	w.clock++
	e := lwwmap.Entry{
		Kind: lwwmap.Kind(rapid.IntRange(1, 2).Draw(t, "kind")),
		Key:  rapid.SampledFrom([]string{"a", "aa", "ab", "b", "c\x00", "\xff", "k7", "k8"}).Draw(t, "key"),
		Dot:  crdt.Dot{Actor: actor, Seq: w.seqs[actor]}, Stamp: w.clock,
	}
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		e.Deleted = true
	case 1:
		e.Expires = w.clock + hlc.Timestamp(rapid.IntRange(1, 50).Draw(t, "ttl"))
		fallthrough
	default:
		e.Value = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
	}
	return e
}

func list(walk func(func(lwwmap.Record) bool)) (all []string) {
	walk(func(r lwwmap.Record) bool {
		all = append(all, fmt.Sprintf("%s %q %s %x %s %d", r.Kind(), r.Key(), r.Dot(), r.Value(), r.Hash(), r.Expires()))
		return true
	})
	return all
}

// contents is all that a view shows.
func contents(v lwwmap.View) [][]string {
	span := func(a crdt.Actor) func(func(lwwmap.Record) bool) {
		return func(fn func(lwwmap.Record) bool) {
			v.Dots(crdt.Span{Actor: a, Ranges: crdt.Ranges{{Lo: 1, Hi: 4}, {Lo: 6, Hi: 1 << 62}}}, fn)
		}
	}
	ascend := func(k lwwmap.Kind, from, to string) func(func(lwwmap.Record) bool) {
		return func(fn func(lwwmap.Record) bool) { v.Ascend(k, from, to, fn) }
	}
	return [][]string{
		list(ascend(lwwmap.Data, "", "")), list(ascend(lwwmap.Lease, "", "")), list(ascend(lwwmap.Data, "aa", "c")),
		list(span(1)), list(span(2)), list(span(3)), list(v.Expiring), list(v.OldestTombstones),
	}
}

func (w *twin) check(t require.TestingT) {
	w.both(t, func(m *lwwmap.Map) any { return contents(m) })
	w.both(t, func(m *lwwmap.Map) any {
		return []any{m.Root(), m.Len(lwwmap.Data), m.Len(lwwmap.Lease), m.Tombstones(), m.Bytes(), m.Horizons(), m.Context().Spans()}
	})
	require.NoError(t, w.disk.Err())
	require.True(t, w.memory.Equal(w.disk))
}

// The map on disk answers as the one in memory does, whatever is done to both,
// in steps of any length, across clean ends.
func TestTheTableOnDiskAnswersAsTheOneInMemory(t *testing.T) {
	var writes, steps, reopened, views int
	rapid.Check(t, func(t *rapid.T) {
		w := newTwin(t)
		var forks []func()
		commit := func() {
			steps++
			require.NoError(t, w.disk.Commit())
			require.NoError(t, w.memory.Commit())
		}
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				writes++
				e := w.entry(t)
				w.both(t, func(m *lwwmap.Map) any {
					o, now, was := m.Apply(e)
					return []any{o, now.IsZero(), was.IsZero()}
				})
			},
			"expire": func(t *rapid.T) {
				w.clock += hlc.Timestamp(rapid.IntRange(0, 30).Draw(t, "later"))
				w.both(t, func(m *lwwmap.Map) any { return len(m.Expire(w.clock, 3)) })
			},
			"collect": func(t *rapid.T) { w.both(t, func(m *lwwmap.Map) any { return m.Collect(w.clock-3, 2) }) },
			"settle": func(t *rapid.T) {
				other := new(crdt.Context)
				other.AddRanges(9, crdt.Ranges{{Lo: 1, Hi: w.seqs[1] + 1}})
				w.both(t, func(m *lwwmap.Map) any {
					var drops []lwwmap.Drop
					m.Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
						drops = append(drops, lwwmap.Drop{Was: r})
						return false
					})
					return len(m.Settle(drops, other, new(lwwmap.Horizons)))
				})
			},
			"commit": func(*rapid.T) { commit() },
			"wait": func(*rapid.T) { require.NoError(t, w.store.Flush()) },
			"fork": func(t *rapid.T) {
				commit()
				views++
				a, b := w.memory.Snapshot(), w.disk.Snapshot()
				forks = append(forks, func() {
					require.Equal(t, contents(a), contents(b))
					require.NoError(t, b.Err())
					a.Close()
					b.Close()
				})
			},
			"look at a fork": func(*rapid.T) {
				if len(forks) > 0 {
					forks[0]()
					forks = forks[1:]
				}
			},
			"reopen": func(t *rapid.T) {
				reopened++
				for _, look := range forks {
					look()
				}
				forks = nil
				commit()
				require.NoError(t, w.store.Close())
				w.open(t)
			},
			"": func(t *rapid.T) { w.check(t) },
		})
		require.NoError(t, w.store.Close())
	})
	t.Logf("%d writes, %d steps, %d reopened, %d views", writes, steps, reopened, views)
	require.Greater(t, reopened, 10)
	require.Greater(t, views, 10)
}
