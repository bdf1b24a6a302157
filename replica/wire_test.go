package replica_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func anyUint64() *rapid.Generator[uint64] {
	return rapid.OneOf(rapid.Uint64Range(1, 1<<62), rapid.SampledFrom([]uint64{1, 23, 24, 255, 256, 1<<16 - 1, 1 << 16, 1<<32 - 1, 1 << 32, 1<<64 - 1}))
}

func anyStamp() *rapid.Generator[hlc.Timestamp] {
	return rapid.Custom(func(t *rapid.T) hlc.Timestamp { return hlc.Timestamp(anyUint64().Draw(t, "stamp")) })
}

func anyDot() *rapid.Generator[crdt.Dot] {
	return rapid.Custom(func(t *rapid.T) crdt.Dot {
		return crdt.Dot{Actor: crdt.Actor(anyUint64().Draw(t, "actor")), Seq: anyUint64().Draw(t, "seq")}
	})
}

func anyToken() *rapid.Generator[lwwmap.Token] {
	return rapid.Custom(func(t *rapid.T) (token lwwmap.Token) {
		if rapid.Bool().Draw(t, "fenced") {
			copy(token[:], rapid.SliceOfN(rapid.Byte(), lwwmap.TokenSize, lwwmap.TokenSize).Draw(t, "fence"))
		}
		return token
	})
}

func anyKind() *rapid.Generator[lwwmap.Kind] {
	return rapid.SampledFrom([]lwwmap.Kind{lwwmap.Data, lwwmap.Lease, lwwmap.Origin})
}

func anyKey() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "key"))
	})
}

func anyEntry() *rapid.Generator[lwwmap.Entry] {
	return rapid.Custom(func(t *rapid.T) lwwmap.Entry {
		e := lwwmap.Entry{
			Kind: anyKind().Draw(t, "kind"), Key: anyKey().Draw(t, "key"), Dot: anyDot().Draw(t, "dot"), Stamp: anyStamp().Draw(t, "stamp"),
			Fence: anyToken().Draw(t, "fence"), Value: []byte{},
		}
		if rapid.Bool().Draw(t, "based") {
			e.Base = anyStamp().Draw(t, "base")
		}
		if e.Deleted = rapid.Bool().Draw(t, "deleted"); !e.Deleted {
			e.Value = append(e.Value, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")...)
			e.Expires = rapid.SampledFrom([]hlc.Timestamp{0, 1, hlc.Max}).Draw(t, "expires")
		}
		return e
	})
}

func anyRanges(least int) *rapid.Generator[crdt.Ranges] {
	return rapid.Custom(func(t *rapid.T) (r crdt.Ranges) {
		for range rapid.IntRange(least, 5).Draw(t, "ranges") {
			lo := anyUint64().Draw(t, "lo")
			r = r.Add(lo, max(lo, lo+rapid.Uint64Range(0, 9).Draw(t, "more")))
		}
		return r
	})
}

func anyDigest() *rapid.Generator[lwwmap.Digest] {
	return rapid.Custom(func(t *rapid.T) lwwmap.Digest {
		return lwwmap.Digest(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))
	})
}

func anyOrder() *rapid.Generator[lwwmap.Order] {
	return rapid.Custom(func(t *rapid.T) lwwmap.Order {
		return lwwmap.Order{
			Fence: anyToken().Draw(t, "fence"), Base: anyStamp().Draw(t, "base"), Stamp: anyStamp().Draw(t, "stamp"),
			Actor: crdt.Actor(anyUint64().Draw(t, "actor")),
		}
	})
}

func anyDelta() *rapid.Generator[*replica.Delta] {
	return rapid.Custom(func(t *rapid.T) *replica.Delta {
		d := &replica.Delta{Actor: crdt.Actor(anyUint64().Draw(t, "actor")), Announced: anyRanges(1).Draw(t, "announced")}
		if rapid.Bool().Draw(t, "entries") {
			d.Seqs, d.Entries = anyRanges(1).Draw(t, "seqs"), rapid.SliceOfN(anyEntry(), 1, 5).Draw(t, "entries")
		}
		return d
	})
}

func anySpans(t *rapid.T, most int) (spans []crdt.Span) {
	for range rapid.IntRange(0, most).Draw(t, "spans") {
		spans = append(spans, crdt.Span{Actor: crdt.Actor(anyUint64().Draw(t, "actor")), Ranges: anyRanges(1).Draw(t, "ranges")})
	}
	return spans
}

// anyFrame draws a frame of any type that is well-formed, whether or not an
// honest peer would send it.
func anyFrame() *rapid.Generator[replica.Frame] {
	frames := []*rapid.Generator[replica.Frame]{
		rapid.Custom(func(t *rapid.T) replica.Frame {
			clock := anyStamp().Draw(t, "clock")
			return &replica.Hello{
				Version: replica.Version, Registry: rapid.StringN(0, 20, 200).Draw(t, "registry"), Clock: clock,
				Wall: hlc.Make(rapid.Uint64Range(0, clock.Millis()).Draw(t, "wall"), 0),
				Keys: anyUint64().Draw(t, "keys"), State: anyDigest().Draw(t, "state"), Wants: anySpans(t, 3),
			}
		}),
		rapid.Custom(func(t *rapid.T) replica.Frame {
			f := &replica.Contexts{Last: rapid.Bool().Draw(t, "last"), Spans: anySpans(t, 4)}
			if f.Last {
				for i := range f.Horizons {
					f.Horizons[i] = anyOrder().Draw(t, "horizon")
				}
			}
			return f
		}),
		rapid.Custom(func(t *rapid.T) replica.Frame {
			return &replica.Entries{
				Despite: rapid.Bool().Draw(t, "despite"), Last: rapid.Bool().Draw(t, "last"),
				Entries: rapid.SliceOfN(anyEntry(), 0, 4).Draw(t, "entries"),
			}
		}),
		rapid.Custom(func(t *rapid.T) replica.Frame {
			n := rapid.Uint64Range(0, 9)
			return &replica.Status{
				Root: anyDigest().Draw(t, "root"), Round: n.Draw(t, "round"), Sent: n.Draw(t, "sent"), Got: n.Draw(t, "got"), Refused: n.Draw(t, "refused"),
			}
		}),
		rapid.Custom(func(t *rapid.T) replica.Frame {
			f := &replica.Tops{}
			for range rapid.IntRange(0, 4).Draw(t, "sums") {
				f.Sums = append(f.Sums, replica.TopSum{Top: rapid.Byte().Draw(t, "top"), Sum: anyDigest().Draw(t, "sum")})
			}
			return f
		}),
		rapid.Custom(func(t *rapid.T) replica.Frame {
			f := &replica.Leaves{Tops: rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "tops")}
			for range rapid.IntRange(0, 4).Draw(t, "sums") {
				f.Sums = append(f.Sums, replica.LeafSum{Bucket: lwwmap.Bucket(rapid.Uint16().Draw(t, "bucket")), Sum: anyDigest().Draw(t, "sum")})
			}
			return f
		}),
		rapid.Custom(func(t *rapid.T) replica.Frame {
			f := &replica.Items{Last: rapid.Bool().Draw(t, "last")}
			for range rapid.IntRange(0, 4).Draw(t, "buckets") {
				f.Buckets = append(f.Buckets, lwwmap.Bucket(rapid.Uint16().Draw(t, "bucket")))
			}
			for range rapid.IntRange(0, 4).Draw(t, "items") {
				it := replica.KeyItem{Kind: anyKind().Draw(t, "kind"), Key: anyKey().Draw(t, "key"), Item: lwwmap.Item{
					Dot: anyDot().Draw(t, "dot"), Order: anyOrder().Draw(t, "order"), Expires: anyStamp().Draw(t, "expires"),
					Deleted: rapid.Bool().Draw(t, "deleted"), Hash: anyDigest().Draw(t, "hash"),
				}}
				it.Order.Actor = it.Dot.Actor // it travels once
				f.Items = append(f.Items, it)
			}
			return f
		}),
		rapid.Custom(func(t *rapid.T) replica.Frame {
			return &replica.Finish{
				State: rapid.SampledFrom([]replica.State{replica.Equal, replica.Merged, replica.Unverified, replica.Failed}).Draw(t, "state"),
				Why:   rapid.StringN(0, 20, 200).Draw(t, "why"),
			}
		}),
	}
	return rapid.Custom(func(t *rapid.T) replica.Frame { return rapid.OneOf(frames...).Draw(t, "frame") })
}

// spell writes a message out with all it points to.
func spell(v any) string {
	switch v := v.(type) {
	case *replica.Delta:
		return fmt.Sprintf("%+v", *v)
	case *replica.Hello:
		return fmt.Sprintf("%q %+v", v.Registry, *v)
	}
	return fmt.Sprintf("%T %+v", v, v)
}

func TestDeltasComeOutAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDelta().Draw(t, "delta")
		data, err := replica.EncodeDelta([]byte("before"), d)
		require.NoError(t, err)
		require.Equal(t, "before", string(data[:6]))
		got, err := replica.DecodeDelta(data[6:])
		require.NoError(t, err)
		require.Equal(t, spell(d), spell(got))
	})
}

func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFrame().Draw(t, "frame")
		data, err := replica.EncodeFrame([]byte("before"), f)
		require.NoError(t, err)
		require.Equal(t, "before", string(data[:6]))
		got, err := replica.DecodeFrame(data[6:])
		require.NoError(t, err)
		require.Equal(t, spell(f), spell(got))
	})
}

func TestADecodedMessageSharesNothingWithItsBytes(t *testing.T) {
	e := forge(lwwmap.Data, "key", "value", 1, 1)
	data, err := replica.EncodeDelta(nil, delta(e))
	require.NoError(t, err)
	d, err := replica.DecodeDelta(data)
	require.NoError(t, err)
	clear(data)
	require.Equal(t, e, d.Entries[0])
}

// marshal is CBOR of any shape.
func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := cbor.Marshal(v)
	require.NoError(t, err)
	return data
}

func TestOtherVersionsAreToldFromGarbage(t *testing.T) {
	for _, version := range []any{0, replica.Version + 1, uint64(1<<64 - 1)} {
		for _, fields := range []int{0, 3, 4, 5, 9, 20} {
			message := []any{version}
			for range fields {
				message = append(message, "of a later version")
			}
			_, err := replica.DecodeDelta(marshal(t, message))
			require.ErrorIs(t, err, replica.ErrVersion)
			_, err = replica.DecodeFrame(append([]byte{1}, marshal(t, message)...))
			require.ErrorIs(t, err, replica.ErrVersion)
		}
	}
	a := newNode(t, "a", 1)
	l := lieTo(a, true)
	h := l.hello()
	h.Version++
	data, err := replica.EncodeFrame(nil, h)
	require.NoError(t, err)
	_, err = replica.DecodeFrame(data)
	require.ErrorIs(t, err, replica.ErrVersion)
	require.ErrorIs(t, l.s.Handle(a.now(), h), replica.ErrVersion)
}

// wireEntry is an entry as it travels.
func wireEntry() []any {
	return []any{1, []byte("k"), []byte("v"), 7, 1, uint64(1 << 50), []byte{}, 0, 0, false}
}

func with(fields []any, i int, v any) []any {
	out := append([]any(nil), fields...)
	out[i] = v
	return out
}

func TestMalformedDeltasAreRefused(t *testing.T) {
	good := []any{replica.Version, 7, []uint64{1, 1}, []uint64{}, []any{wireEntry()}}
	_, err := replica.DecodeDelta(marshal(t, good))
	require.NoError(t, err)
	entry := func(i int, v any) []any { return with(good, 4, []any{with(wireEntry(), i, v)}) }
	for name, message := range map[string]any{
		"no actor":               with(good, 1, 0),
		"no seqs":                with(good, 2, []uint64{}),
		"odd bounds":             with(good, 2, []uint64{1}),
		"range from zero":        with(good, 2, []uint64{0, 1}),
		"backward range":         with(good, 2, []uint64{2, 1}),
		"overlapping ranges":     with(good, 2, []uint64{1, 2, 2, 3}),
		"touching ranges":        with(good, 2, []uint64{1, 2, 3, 4}),
		"announced out of order": with(good, 3, []uint64{5, 6, 1, 2}),
		"seqs of no entry":       with(good, 4, []any{}),
		"null for entries":       with(good, 4, nil),
		"null entry":             with(good, 4, []any{nil}),
		"short entry":            with(good, 4, []any{wireEntry()[:9]}),
		"long entry":             with(good, 4, []any{append(wireEntry(), 1)}),
		"entry as map":           with(good, 4, []any{map[string]any{"Kind": 1}}),
		"unknown kind":           entry(0, 4),
		"kind zero":              entry(0, 0),
		"kind too large":         entry(0, 257),
		"empty key":              entry(1, []byte{}),
		"key too long":           entry(1, make([]byte, lwwmap.MaxKeyLen+1)),
		"key as text":            entry(1, "k"),
		"key as array":           entry(1, []uint64{1, 2}),
		"value as text":          entry(2, "v"),
		"value as array":         entry(2, []uint64{1, 2}),
		"value null":             entry(2, nil),
		"fence of zeros":         entry(6, make([]byte, 24)),
		"entry without actor":    entry(3, 0),
		"actor negative":         entry(3, -1),
		"actor a float":          entry(3, 1.5),
		"entry without seq":      entry(4, 0),
		"entry without stamp":    entry(5, 0),
		"stamp null":             entry(5, nil),
		"short fence":            entry(6, make([]byte, 23)),
		"long fence":             entry(6, make([]byte, 25)),
		"deleted a number":       entry(9, 1),
		"tombstone with value":   entry(9, true),
		"tombstone that expires": with(good, 4, []any{with(with(with(wireEntry(), 9, true), 2, []byte{}), 8, 5)}),
		"too few fields":         good[:4],
		"too many fields":        append(with(good, 0, replica.Version), 1),
		"a map":                  map[string]any{"Version": 1},
		"a tag":                  cbor.Tag{Number: 42, Content: good},
		"a tagged field":         with(good, 1, cbor.Tag{Number: 2, Content: []byte{1}}),
		"text":                   "delta",
		"version as text":        with(good, 0, "1"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := replica.DecodeDelta(marshal(t, message))
			require.Error(t, err)
			require.True(t, isProtocol(err), err)
		})
	}
	data := marshal(t, good)
	for n := range data {
		_, err := replica.DecodeDelta(data[:n])
		require.ErrorIs(t, err, replica.ErrProtocol, "cut to %d bytes", n)
	}
	_, err = replica.DecodeDelta(append(data, 0))
	require.ErrorIs(t, err, replica.ErrProtocol, "something behind the end")
}

// What is accepted has one spelling.
func TestNumbersTravelInTheirShortestForm(t *testing.T) {
	before, after := []byte{0x85, 1}, []byte{0x82, 1, 1, 0x82, 3, 3, 0x81, 0x8a, 1, 0x41, 'k', 0x41, 'v', 7, 1, 1, 0x40, 0, 0, 0xf4}
	actor := func(head ...byte) error {
		_, err := replica.DecodeDelta(concat(before, head, after))
		return err
	}
	for _, ok := range [][]byte{
		{7}, {23}, {0x18, 24}, {0x18, 255}, {0x19, 1, 0}, {0x19, 255, 255}, {0x1a, 0, 1, 0, 0}, {0x1a, 255, 255, 255, 255},
		{0x1b, 0, 0, 0, 1, 0, 0, 0, 0}, {0x1b, 255, 255, 255, 255, 255, 255, 255, 255},
	} {
		require.NoError(t, actor(ok...), ok)
	}
	for _, long := range [][]byte{
		{0x18, 7}, {0x18, 23}, {0x19, 0, 255}, {0x1a, 0, 0, 255, 255}, {0x1b, 0, 0, 0, 0, 255, 255, 255, 255}, {0x1c}, {0x1f},
	} {
		require.ErrorIs(t, actor(long...), replica.ErrProtocol, long)
	}
}

func TestMalformedFramesAreRefused(t *testing.T) {
	digest := make([]byte, 16)
	order := []any{[]byte{}, 0, 0, 0}
	orders := []any{order, order, order}
	item := []any{1, []byte("k"), 7, 1, 1, []byte{}, 0, 0, false, digest}
	sum := []any{1, digest}
	for name, f := range map[string]struct {
		kind byte
		body any
	}{
		"type zero":               {0, []any{}},
		"unknown type":            {9, []any{}},
		"hello short state":       {1, []any{replica.Version, []byte("r"), 1, 0, 1, digest[:15]}},
		"hello long registry":     {1, []any{replica.Version, make([]byte, 257), 1, 0, 1, digest}},
		"hello wall before 1970":  {1, []any{replica.Version, []byte("r"), 1 << 20, 17, 1, digest}},
		"hello short":             {1, []any{replica.Version}},
		"hello null":              {1, nil},
		"contexts null span":      {2, []any{[]any{nil}, true, orders}},
		"contexts no actor":       {2, []any{[]any{[]any{0, []uint64{1, 1}}}, true, orders}},
		"contexts bad ranges":     {2, []any{[]any{[]any{1, []uint64{1}}}, true, orders}},
		"contexts no ranges":      {2, []any{[]any{[]any{1, []uint64{}}}, true, orders}},
		"contexts two horizons":   {2, []any{[]any{}, true, orders[:2]}},
		"contexts null horizon":   {2, []any{[]any{}, true, []any{order, nil, order}}},
		"contexts bad fence":      {2, []any{[]any{}, true, []any{order, with(order, 0, []byte{1}), order}}},
		"contexts early horizons": {2, []any{[]any{[]any{1, []uint64{1, 1}}}, false, orders}},
		"contexts short":          {2, []any{}},
		"entries short":           {3, []any{true}},
		"entries null":            {3, []any{false, true, []any{nil}}},
		"status short root":       {4, []any{digest[:15], 0, 0, 0, 0}},
		"status short":            {4, []any{digest}},
		"tops null":               {5, []any{[]any{nil}}},
		"tops beyond":             {5, []any{[]any{with(sum, 0, 256)}}},
		"tops short sum":          {5, []any{[]any{with(sum, 1, digest[:1])}}},
		"tops short":              {5, []any{}},
		"leaves null":             {6, []any{[]byte{}, []any{nil}}},
		"leaves beyond":           {6, []any{[]byte{}, []any{with(sum, 0, 1<<16)}}},
		"leaves short sum":        {6, []any{[]byte{}, []any{with(sum, 1, digest[:1])}}},
		"leaves short":            {6, []any{}},
		"items null":              {7, []any{[]any{}, []any{nil}, true}},
		"items kind":              {7, []any{[]any{}, []any{with(item, 0, 9)}, true}},
		"items key":               {7, []any{[]any{}, []any{with(item, 1, []byte{})}, true}},
		"items actor":             {7, []any{[]any{}, []any{with(item, 2, 0)}, true}},
		"items seq":               {7, []any{[]any{}, []any{with(item, 3, 0)}, true}},
		"items fence":             {7, []any{[]any{}, []any{with(item, 5, []byte{1})}, true}},
		"items hash":              {7, []any{[]any{}, []any{with(item, 9, []byte{1})}, true}},
		"items bucket":            {7, []any{[]any{1 << 16}, []any{}, true}},
		"items short":             {7, []any{}},
		"finish running":          {8, []any{0, ""}},
		"finish beyond":           {8, []any{5, ""}},
		"finish long":             {8, []any{4, strings.Repeat("w", 1025)}},
		"finish bad text":         {8, []any{4, "\xff"}},
		"finish short":            {8, []any{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := replica.DecodeFrame(append([]byte{f.kind}, marshal(t, f.body)...))
			require.Error(t, err)
			require.True(t, isProtocol(err), err)
		})
	}
	_, err := replica.DecodeFrame(nil)
	require.ErrorIs(t, err, replica.ErrProtocol)
}

func TestTheReasonOfAFailureIsCutToWholeRunes(t *testing.T) {
	for pad := range 4 {
		a := newNode(t, "a", 1)
		l := lieTo(a, true)
		require.Error(t, l.say(&replica.Finish{State: replica.Failed, Why: strings.Repeat("x", pad) + strings.Repeat("ü", 510)}))
		for _, f := range l.hear() {
			data, err := replica.EncodeFrame(nil, f)
			require.NoError(t, err)
			_, err = replica.DecodeFrame(data)
			require.NoError(t, err)
		}
	}
}
