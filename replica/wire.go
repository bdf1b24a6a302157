package replica

import (
	"bytes"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// Messages are CBOR (RFC 8949): arrays, never maps; a delta and a hello, with
// which a session opens, begin with the version. A frame is a CBOR sequence (RFC
// 8742) of its type, which is one byte, and its body. They are written by the
// cbor package, and taken apart by reader: see there.

// Bounds on what is decoded.
const (
	// MaxFrame is the length in bytes of a frame that carries the default limits
	// of keys and values; see FrameLimit.
	maxFrameEntries = 64 << 10
	maxArray        = 8 << 10
	maxDepth        = 8
)

// FrameLimit is the longest frame or delta in bytes that a node with this limit
// on values need accept.
func FrameLimit(maxValue int) int { return 2*MaxDelta + maxFrameEntries + maxValue + lwwmap.MaxKeyLen }

var (
	encMode = must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic, ShortestFloat: cbor.ShortestFloat16, IndefLength: cbor.IndefLengthForbidden, NilContainers: cbor.NilContainerAsEmpty, TagsMd: cbor.TagsForbidden}.UserBufferEncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: maxDepth, MaxArrayElements: maxArray, MaxMapPairs: 16,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
)

func must[M any](m M, err error) M {
	if err != nil {
		panic(err) // options are constants
	}
	return m
}

type wireEntry struct {
	_       struct{} `cbor:",toarray"`
	Kind    uint8
	Key     []byte
	Value   []byte
	Actor   uint64
	Seq     uint64
	Stamp   uint64
	Fence   []byte // empty or a token
	Base    uint64
	Expires uint64
	Deleted bool
}

type wireSpan struct {
	_      struct{} `cbor:",toarray"`
	Actor  uint64
	Bounds []uint64 // lo, hi, lo, hi, ...
}

type wireOrder struct {
	_     struct{} `cbor:",toarray"`
	Fence []byte
	Base  uint64
	Stamp uint64
	Actor uint64
}

// toWire shares key and value with the entry: what is encoded is only read.
func toWire(e *lwwmap.Entry) wireEntry {
	return wireEntry{
		Kind: uint8(e.Kind), Key: unsafe.Slice(unsafe.StringData(e.Key), len(e.Key)), Value: e.Value, Actor: uint64(e.Dot.Actor), Seq: e.Dot.Seq,
		Stamp: uint64(e.Stamp), Fence: tokenBytes(&e.Fence), Base: uint64(e.Base), Expires: uint64(e.Expires), Deleted: e.Deleted,
	}
}

// tokenBytes is how a token travels: the one of no lease as nothing.
func tokenBytes(t *lwwmap.Token) []byte {
	if t.IsZero() {
		return nil
	}
	return t[:]
}

func toWires(es []lwwmap.Entry) []*wireEntry {
	ws, slab := make([]*wireEntry, len(es)), make([]wireEntry, len(es))
	for i := range es {
		slab[i] = toWire(&es[i])
		ws[i] = &slab[i]
	}
	return ws
}

// entries reads a list of entries, which share keys and values with the
// reader's data.
func (r *reader) entries() []lwwmap.Entry {
	es := make([]lwwmap.Entry, r.list(minEntry))
	for i := range es {
		r.entry(&es[i])
	}
	return es
}

// minEntry is the length of the shortest entry.
const minEntry = 12

func (r *reader) entry(e *lwwmap.Entry) {
	r.tuple(10)
	e.Kind = r.kind()
	key := r.key()
	e.Key = unsafe.String(unsafe.SliceData(key), len(key))
	e.Value = r.bytes()
	e.Dot = r.dot()
	e.Stamp = r.stamp()
	e.Fence = r.token()
	e.Base = r.stamp()
	e.Expires = r.stamp()
	e.Deleted = r.bool()
	switch {
	case e.Stamp == 0:
		r.fail("entry without a stamp")
	case e.Deleted && (len(e.Value) > 0 || e.Expires != 0):
		r.fail("tombstone with a value or an expiry")
	}
}

func boundsOf(r crdt.Ranges) []uint64 {
	b := make([]uint64, 0, 2*len(r))
	for _, x := range r {
		b = append(b, x.Lo, x.Hi)
	}
	return b
}

type wireDelta struct {
	_         struct{} `cbor:",toarray"`
	Version   uint64
	Actor     uint64
	Seqs      []uint64
	Announced []uint64
	Entries   []*wireEntry
}

// EncodeDelta appends a delta to dst.
func EncodeDelta(dst []byte, d *Delta) ([]byte, error) {
	return appendCBOR(dst, wireDelta{
		Version: Version, Actor: uint64(d.Actor), Seqs: boundsOf(d.Seqs), Announced: boundsOf(d.Announced), Entries: toWires(d.Entries),
	})
}

// DecodeDelta reads a delta. The result shares nothing with data.
func DecodeDelta(data []byte) (*Delta, error) {
	r := &reader{data: bytes.Clone(data)}
	r.version(5, "delta")
	d := &Delta{Actor: r.actor(), Seqs: r.ranges(), Announced: r.ranges(), Entries: r.entries()}
	if len(d.Seqs)+len(d.Announced) == 0 || (len(d.Entries) == 0) != (len(d.Seqs) == 0) {
		r.fail("delta of nothing")
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return d, nil
}
