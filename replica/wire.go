package replica

import (
	"fmt"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Messages are CBOR (RFC 8949): arrays, never maps; a delta begins with its
// version, a session learns it from the hello. A frame is a CBOR sequence (RFC
// 8742) of its type, which is one byte, and its body. Decoding is strict and
// allocates in proportion to the input.

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
	encMode = must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic, ShortestFloat: cbor.ShortestFloat16, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden}.UserBufferEncMode())
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
	w := wireEntry{
		Kind: uint8(e.Kind), Key: unsafe.Slice(unsafe.StringData(e.Key), len(e.Key)), Value: e.Value, Actor: uint64(e.Dot.Actor), Seq: e.Dot.Seq,
		Stamp: uint64(e.Stamp), Base: uint64(e.Base), Expires: uint64(e.Expires), Deleted: e.Deleted,
	}
	if !e.Fence.IsZero() {
		w.Fence = e.Fence[:]
	}
	return w
}

// fromWire shares key and value with what was decoded, which nobody else has.
func fromWire(w *wireEntry) (e lwwmap.Entry, err error) {
	if w == nil {
		return e, fmt.Errorf("%w: an entry is null", ErrProtocol)
	}
	e = lwwmap.Entry{
		Kind: lwwmap.Kind(w.Kind), Key: unsafe.String(unsafe.SliceData(w.Key), len(w.Key)), Value: w.Value, Dot: crdt.Dot{Actor: crdt.Actor(w.Actor), Seq: w.Seq},
		Stamp: hlc.Timestamp(w.Stamp), Base: hlc.Timestamp(w.Base), Expires: hlc.Timestamp(w.Expires), Deleted: w.Deleted,
	}
	if e.Fence, err = tokenFrom(w.Fence); err != nil {
		return e, err
	}
	switch {
	case !e.Kind.Valid():
		err = fmt.Errorf("%w: entry of unknown kind %d", ErrProtocol, w.Kind)
	case e.Dot.Actor == 0 || e.Dot.Seq == 0:
		err = fmt.Errorf("%w: entry without a dot", ErrProtocol)
	case len(e.Key) == 0 || len(e.Key) > lwwmap.MaxKeyLen:
		err = fmt.Errorf("%w: key of %d bytes", ErrBounds, len(e.Key))
	case e.Stamp == 0:
		err = fmt.Errorf("%w: entry without a stamp", ErrProtocol)
	case e.Deleted && (len(e.Value) > 0 || e.Expires != 0):
		err = fmt.Errorf("%w: tombstone with a value or an expiry", ErrProtocol)
	}
	return e, err
}

func tokenFrom(b []byte) (t lwwmap.Token, err error) {
	switch len(b) {
	case 0:
	case lwwmap.TokenSize:
		t = lwwmap.Token(b)
	default:
		err = fmt.Errorf("%w: token of %d bytes", ErrProtocol, len(b))
	}
	return t, err
}

func toWires(es []lwwmap.Entry) []*wireEntry {
	ws, slab := make([]*wireEntry, len(es)), make([]wireEntry, len(es))
	for i := range es {
		slab[i] = toWire(&es[i])
		ws[i] = &slab[i]
	}
	return ws
}

func fromWires(ws []*wireEntry) ([]lwwmap.Entry, error) {
	es := make([]lwwmap.Entry, len(ws))
	for i, w := range ws {
		var err error
		if es[i], err = fromWire(w); err != nil {
			return nil, err
		}
	}
	return es, nil
}

func boundsOf(r crdt.Ranges) []uint64 {
	b := make([]uint64, 0, 2*len(r))
	for _, x := range r {
		b = append(b, x.Lo, x.Hi)
	}
	return b
}

func rangesFrom(b []uint64) (crdt.Ranges, error) {
	if len(b)%2 != 0 {
		return nil, fmt.Errorf("%w: odd number of range bounds", ErrProtocol)
	}
	r := make(crdt.Ranges, 0, len(b)/2)
	for i := 0; i < len(b); i += 2 {
		r = append(r, crdt.Range{Lo: b[i], Hi: b[i+1]})
	}
	if !r.Valid() {
		return nil, fmt.Errorf("%w: ranges overlap or are out of order", ErrProtocol)
	}
	return r, nil
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
	if err := checkVersion(data, "delta"); err != nil {
		return nil, err
	}
	var w wireDelta
	if err := unmarshal(data, &w); err != nil {
		return nil, err
	}
	d := &Delta{Actor: crdt.Actor(w.Actor)}
	var err error
	if d.Seqs, err = rangesFrom(w.Seqs); err != nil {
		return nil, err
	}
	if d.Announced, err = rangesFrom(w.Announced); err != nil {
		return nil, err
	}
	if d.Entries, err = fromWires(w.Entries); err != nil {
		return nil, err
	}
	if d.Actor == 0 || len(d.Seqs)+len(d.Announced) == 0 || (len(d.Entries) == 0) != (len(d.Seqs) == 0) {
		return nil, fmt.Errorf("%w: empty delta", ErrProtocol)
	}
	return d, nil
}

// checkVersion reads the version of a delta or a hello before anything else, so
// that a message of another version is told from garbage.
func checkVersion(data []byte, what string) error {
	if len(data) < 2 || data[0] < 0x81 || data[0] > 0x97 {
		return fmt.Errorf("%w: not a %s", ErrProtocol, what)
	}
	var v uint64
	if _, err := decMode.UnmarshalFirst(data[1:], &v); err != nil {
		return fmt.Errorf("%w: not a %s: %v", ErrProtocol, what, err)
	}
	if v != Version {
		return fmt.Errorf("%w: %s of version %d, this node speaks %d; run the same release on both", ErrVersion, what, v, Version)
	}
	return nil
}

func unmarshal(data []byte, to any) error {
	if err := decMode.Unmarshal(data, to); err != nil {
		return fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	return nil
}
