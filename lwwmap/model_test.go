package lwwmap_test

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// place is what a record is held under.
type place struct {
	kind lwwmap.Kind
	key  string
}

// model is a map the dumb way: one Go map, sorted and summed up when asked.
type model struct {
	held map[place]lwwmap.Entry
	seen map[crdt.Dot]bool
}

func newModel() *model { return &model{map[place]lwwmap.Entry{}, map[crdt.Dot]bool{}} }

func (m *model) clone() *model { return &model{maps.Clone(m.held), maps.Clone(m.seen)} }

func (m *model) sorted(kind lwwmap.Kind) (es []lwwmap.Entry) {
	for p, e := range m.held {
		if p.kind == kind {
			es = append(es, e)
		}
	}
	slices.SortFunc(es, func(a, b lwwmap.Entry) int { return cmp.Compare(a.Key, b.Key) })
	return es
}

// reader is what maps, snapshots and the model are compared by.
type reader interface {
	Get(lwwmap.Kind, string) lwwmap.Record
	Len(lwwmap.Kind) int
	Ascend(kind lwwmap.Kind, from, to string, fn func(lwwmap.Record) bool)
	Dots(crdt.Span, func(lwwmap.Record) bool)
	RootAt(hlc.Timestamp) lwwmap.Digest
}

// requireModel compares all that a reader says with the model.
func requireModel(t *rapid.T, want *model, got reader, keys []string, now hlc.Timestamp) {
	for _, kind := range []lwwmap.Kind{lwwmap.Data, lwwmap.Lease, lwwmap.Origin} {
		sorted := want.sorted(kind)
		requireKind(t, want, got, kind, sorted, keys)
		live := 0
		for _, e := range sorted {
			if !e.Deleted {
				live++
			}
		}
		require.Equal(t, live, got.Len(kind))
	}
	var root lwwmap.Digest
	byDot := map[crdt.Dot]lwwmap.Entry{}
	for _, e := range want.held {
		if !e.Dead(now) {
			root = root.Add(lwwmap.Pack(&e, digestKey).Hash())
		}
		byDot[e.Dot] = e
	}
	require.Equal(t, root, got.RootAt(now))
	requireDots(t, byDot, got)
}

func requireKind(t *rapid.T, want *model, got reader, kind lwwmap.Kind, sorted []lwwmap.Entry, keys []string) {
	for _, key := range keys {
		e, ok := want.held[place{kind, key}]
		r := got.Get(kind, key)
		require.Equal(t, ok, !r.IsZero())
		if ok {
			require.Equal(t, e, r.Entry())
		}
	}
	i, j := rapid.SampledFrom(keys).Draw(t, "from"), rapid.SampledFrom(append(keys, "")).Draw(t, "to")
	var walked []lwwmap.Entry
	got.Ascend(kind, i, j, func(r lwwmap.Record) bool {
		walked = append(walked, r.Entry())
		return true
	})
	var within []lwwmap.Entry
	for _, e := range sorted {
		if e.Key >= i && (j == "" || e.Key < j) {
			within = append(within, e)
		}
	}
	require.Equal(t, within, walked)
}

func requireDots(t *rapid.T, want map[crdt.Dot]lwwmap.Entry, got reader) {
	for actor := crdt.Actor(1); actor <= 3; actor++ {
		span := crdt.Span{Actor: actor, Ranges: crdt.Ranges{{Lo: rapid.Uint64Range(1, 90).Draw(t, "lo"), Hi: 100}, {Lo: 120, Hi: 1<<64 - 1}}}
		last, n := uint64(0), 0
		got.Dots(span, func(r lwwmap.Record) bool {
			require.Greater(t, r.Dot().Seq, last)
			last = r.Dot().Seq
			require.Equal(t, want[r.Dot()], r.Entry())
			n++
			return true
		})
		for dot := range want {
			if dot.Actor == actor && span.Ranges.Has(dot.Seq) {
				n--
			}
		}
		require.Zero(t, n)
	}
}

// digestKey is how lwwmap.New([]byte("key")) keys its hashes.
var digestKey = func() lwwmap.Digest {
	sum := sha256.Sum256([]byte("key"))
	return lwwmap.Digest(sum[:16])
}()

// frozen is a reader of an earlier moment, with what it must go on to say.
type frozen struct {
	got  reader
	want *model
}

// Keys of one slot, of one bucket, and others.
var modelKeys = []string{
	keyWithHash(1, 42), keyWithHash(2, 42), keyWithHash(3, 42), keyWithHash(4, 42^1),
	keyWithHash(5, 42^0x9e3779b97f4a7c15), // as a lease in the slot of the first, as data
	"a", "aa", "b", "\x00", "\xff", "the same eight bytes 1", "the same eight bytes 2",
}

// A map against the model, with snapshots that must not move. Misbehaving
// writers included: dots may be used twice.
func TestAMapHoldsWhatTheModelHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, want := lwwmap.New([]byte("key")), newModel()
		var past []frozen
		seq := map[crdt.Actor]uint64{}
		now := hlc.Timestamp(0)
		draw := func() lwwmap.Entry {
			actor := crdt.Actor(rapid.IntRange(1, 3).Draw(t, "actor"))
			seq[actor] += rapid.Uint64Range(1, 40).Draw(t, "skipped")
			now++
			e := lwwmap.Entry{
				Kind: lwwmap.Kind(rapid.IntRange(1, 3).Draw(t, "kind")), Key: rapid.SampledFrom(modelKeys).Draw(t, "key"),
				Value: []byte{}, Dot: crdt.Dot{Actor: actor, Seq: seq[actor]}, Stamp: now,
			}
			switch rapid.IntRange(0, 3).Draw(t, "sort") {
			case 0:
				e.Deleted = true
			case 1:
				e.Expires = now + hlc.Timestamp(rapid.IntRange(0, 20).Draw(t, "ttl"))
			default:
				e.Value = []byte{byte(now)}
			}
			return e
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 9).Draw(t, "step"); step {
			default:
				e := draw()
				if step%2 == 0 {
					_, _, ok := m.Write(e)
					require.True(t, ok)
				} else {
					o, _, _ := m.Apply(e)
					require.Equal(t, lwwmap.Stored, o)
				}
				want.held[place{e.Kind, e.Key}] = e
			case 6:
				for _, r := range m.Expire(now, rapid.IntRange(0, 5).Draw(t, "most")) {
					p := place{r.Kind(), r.Key()}
					held, ok := want.held[p]
					require.True(t, ok && held.Expires != 0 && held.Expires <= now)
					delete(want.held, p)
				}
			case 7:
				forgetOldest(t, m, want, now)
			case 8:
				s := m.Snapshot()
				past = append(past, frozen{s, want.clone()})
			case 9:
				if r := m.Get(lwwmap.Kind(rapid.IntRange(1, 3).Draw(t, "kind")), rapid.SampledFrom(modelKeys).Draw(t, "key")); !r.IsZero() {
					m.Forget(r)
					delete(want.held, place{r.Kind(), r.Key()})
				}
			}
		}
		requireModel(t, want, m, modelKeys, now)
		require.Equal(t, m.Root(), m.RootAt(0))
		requireTotals(t, want, m)
		for _, f := range past {
			requireModel(t, f.want, f.got, modelKeys, now)
		}
		clone := m.Clone()
		requireModel(t, want, clone, modelKeys, now)
		require.True(t, m.Equal(clone))
	})
}

// forgetOldest collects one tombstone in both.
func forgetOldest(t *rapid.T, m *lwwmap.Map, want *model, upTo hlc.Timestamp) {
	var oldest *lwwmap.Entry
	for _, e := range want.held {
		if e.Deleted && e.Stamp <= upTo && (oldest == nil || e.Stamp < oldest.Stamp) {
			oldest = &e
		}
	}
	n := m.Collect(upTo, 1)
	if oldest == nil {
		require.Zero(t, n)
		return
	}
	require.Equal(t, 1, n)
	delete(want.held, place{oldest.Kind, oldest.Key})
}

func requireTotals(t *rapid.T, want *model, m *lwwmap.Map) {
	tombstones, size, next := 0, int64(0), hlc.Timestamp(0)
	for _, e := range want.held {
		if e.Deleted {
			tombstones++
		}
		size += int64(lwwmap.Pack(&e, digestKey).Size())
		if e.Expires != 0 && (next == 0 || e.Expires < next) {
			next = e.Expires
		}
	}
	require.Equal(t, tombstones, m.Tombstones())
	require.Equal(t, size, m.Bytes())
	if next != 0 {
		require.NotZero(t, m.NextExpiry())
		require.LessOrEqual(t, m.NextExpiry(), next, "nothing expires before")
	}
}
