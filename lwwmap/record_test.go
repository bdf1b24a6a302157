package lwwmap_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// requirePacked checks all that a record says against its entry.
func requirePacked(t require.TestingT, e lwwmap.Entry) lwwmap.Record {
	r := lwwmap.Pack(&e, lwwmap.Digest{1})
	require.False(t, r.IsZero())
	require.Equal(t, e, r.Entry())
	require.Equal(t, e.Kind, r.Kind())
	require.Equal(t, e.Key, r.Key())
	require.True(t, bytes.Equal(e.Value, r.Value()))
	require.Equal(t, len(r.Value()), cap(r.Value()), "appending must not reach the record")
	require.Equal(t, e.Dot, r.Dot())
	require.Equal(t, e.Stamp, r.Stamp())
	fence, base := r.Fence()
	require.Equal(t, e.Fence, fence)
	require.Equal(t, e.Base, base)
	require.Equal(t, e.Order(), r.Order())
	require.Equal(t, e.Expires, r.Expires())
	require.Equal(t, e.Deleted, r.Deleted())
	for _, at := range []hlc.Timestamp{0, 1, e.Expires, e.Expires - 1, e.Expires + 1, hlc.Max} {
		want := e.Deleted || (e.Expires != 0 && e.Expires <= at)
		require.Equal(t, want, r.Dead(at))
		require.Equal(t, want, e.Dead(at))
		require.Equal(t, want, r.Item().Dead(at))
	}
	require.Equal(t, lwwmap.Item{Dot: e.Dot, Order: e.Order(), Expires: e.Expires, Deleted: e.Deleted, Hash: r.Hash()}, r.Item())
	again := lwwmap.Pack(&e, lwwmap.Digest{1})
	require.Equal(t, r.Hash(), again.Hash())
	require.Zero(t, r.Compare(again))
	require.NotEqual(t, r.Hash(), lwwmap.Pack(&e, lwwmap.Digest{2}).Hash())
	return r
}

func TestRecordsHoldAllCombinationsOfFields(t *testing.T) {
	for _, kind := range []lwwmap.Kind{lwwmap.Data, lwwmap.Lease, lwwmap.Origin} {
		for _, key := range []string{"k", "\x00", "\xff\xfe", strings.Repeat("k", 1<<10), strings.Repeat("k", lwwmap.MaxKeyLen)} {
			for _, value := range [][]byte{{}, {0}, []byte("value"), make([]byte, 1<<16), make([]byte, 1<<20)} {
				for flags := range 16 {
					if flags > 0 && len(value)+len(key) > 1<<17 {
						continue // the large ones once
					}
					e := lwwmap.Entry{Kind: kind, Key: key, Value: value, Dot: crdt.Dot{Actor: 1<<64 - 1, Seq: 1<<64 - 1}, Stamp: hlc.Max}
					e.Deleted = flags&1 != 0
					if flags&2 != 0 {
						e.Fence = lwwmap.MakeToken(1, 2, 3)
					}
					if flags&4 != 0 {
						e.Base = hlc.Max - 1
					}
					if flags&8 != 0 {
						e.Expires = 1 << 40
					}
					requirePacked(t, e)
				}
			}
		}
	}
}

func TestRecordsHoldWhatTheyWereGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		requirePacked(t, anyEntry().Draw(t, "entry"))
	})
}

func anyEntry() *rapid.Generator[lwwmap.Entry] {
	number := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1<<64 - 1}))
	return rapid.Custom(func(t *rapid.T) lwwmap.Entry {
		e := lwwmap.Entry{
			Kind: lwwmap.Kind(rapid.IntRange(1, 3).Draw(t, "kind")),
			Key:  string(rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "key")), Value: rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "value"),
			Dot:   crdt.Dot{Actor: crdt.Actor(number.Draw(t, "actor")), Seq: number.Draw(t, "seq")},
			Stamp: hlc.Timestamp(number.Draw(t, "stamp")), Base: hlc.Timestamp(number.Draw(t, "base")),
			Expires: hlc.Timestamp(number.Draw(t, "expires")), Deleted: rapid.Bool().Draw(t, "deleted"),
		}
		copy(e.Fence[:], rapid.SliceOfN(rapid.Byte(), 0, lwwmap.TokenSize).Draw(t, "fence"))
		return e
	})
}

// Every field is under the hash.
func TestTheHashCoversEveryField(t *testing.T) {
	base := lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Value: []byte("v"), Dot: crdt.Dot{Actor: 1, Seq: 1}, Stamp: 1}
	seen := map[lwwmap.Digest]string{lwwmap.Pack(&base, lwwmap.Digest{}).Hash(): "base"}
	for name, change := range map[string]func(*lwwmap.Entry){
		"kind":    func(e *lwwmap.Entry) { e.Kind = lwwmap.Lease },
		"key":     func(e *lwwmap.Entry) { e.Key = "l" },
		"value":   func(e *lwwmap.Entry) { e.Value = []byte("w") },
		"longer":  func(e *lwwmap.Entry) { e.Key, e.Value = "kv", nil },
		"actor":   func(e *lwwmap.Entry) { e.Dot.Actor = 2 },
		"seq":     func(e *lwwmap.Entry) { e.Dot.Seq = 2 },
		"stamp":   func(e *lwwmap.Entry) { e.Stamp = 2 },
		"fence":   func(e *lwwmap.Entry) { e.Fence[0] = 1 },
		"base":    func(e *lwwmap.Entry) { e.Base = 1 },
		"expires": func(e *lwwmap.Entry) { e.Expires = 1 },
		"deleted": func(e *lwwmap.Entry) { e.Deleted = true },
	} {
		e := base
		change(&e)
		h := lwwmap.Pack(&e, lwwmap.Digest{}).Hash()
		require.Empty(t, seen[h], name)
		seen[h] = name
	}
}

// Where int has 32 bits, a length near 2^32 must not be taken for one below zero that fits.
func TestLengthsDoNotWrap(t *testing.T) {
	b := make([]byte, 47) // a wide header and a key of one byte, less the byte that the value would take away
	b[32], b[45] = 0b100001, 1
	copy(b[41:], "\xff\xff\xff\xff")
	_, err := lwwmap.ParseRecord(b)
	require.Error(t, err)
}

func TestNoRecordIsZero(t *testing.T) { require.True(t, lwwmap.Record{}.IsZero()) }
