package replica

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

type wireHello struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Registry cbor.ByteString
	Clock    uint64
	Keys     uint64
	Root     []byte
	Context  []byte
}

type wireContexts struct {
	_        struct{} `cbor:",toarray"`
	Spans    []*wireSpan
	Last     bool
	Horizons []*wireOrder
}

type wireEntries struct {
	_       struct{} `cbor:",toarray"`
	Despite bool
	Last    bool
	Entries []*wireEntry
}

type wireStatus struct {
	_                  struct{} `cbor:",toarray"`
	Root               []byte
	Round              uint64
	Sent, Got, Refused uint64
}

type wireSum struct {
	_   struct{} `cbor:",toarray"`
	At  uint16
	Sum []byte
}

type wireTops struct {
	_    struct{} `cbor:",toarray"`
	Sums []*wireSum
}

type wireLeaves struct {
	_    struct{} `cbor:",toarray"`
	Tops []byte
	Sums []*wireSum
}

type wireItem struct {
	_       struct{} `cbor:",toarray"`
	Kind    uint8
	Key     cbor.ByteString
	Actor   uint64
	Seq     uint64
	Stamp   uint64
	Fence   []byte
	Base    uint64
	Expires uint64
	Deleted bool
	Hash    []byte
}

type wireItems struct {
	_       struct{} `cbor:",toarray"`
	Buckets []uint16
	Items   []*wireItem
	Last    bool
}

type wireFinish struct {
	_     struct{} `cbor:",toarray"`
	State uint8
	Why   string
}

func appendCBOR(dst []byte, v any) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	if err := encMode.MarshalToBuffer(v, b); err != nil {
		return dst, fmt.Errorf("replica: encode: %w", err)
	}
	return b.Bytes(), nil
}

// EncodeFrame appends a frame to dst.
func EncodeFrame(dst []byte, f Frame) ([]byte, error) {
	return appendCBOR(append(dst, f.frameType()), body(f))
}

func body(f Frame) any {
	switch f := f.(type) {
	case *Hello:
		return wireHello{Version: f.Version, Registry: cbor.ByteString(f.Registry), Clock: uint64(f.Clock), Keys: f.Keys, Root: f.Root[:], Context: f.Context[:]}
	case *Contexts:
		w := wireContexts{Last: f.Last}
		for _, s := range f.Spans {
			w.Spans = append(w.Spans, &wireSpan{Actor: uint64(s.Actor), Bounds: boundsOf(s.Ranges)})
		}
		if f.Last {
			for _, o := range f.Horizons {
				w.Horizons = append(w.Horizons, &wireOrder{Fence: o.Fence[:], Base: uint64(o.Base), Stamp: uint64(o.Stamp), Actor: uint64(o.Actor)})
			}
		}
		return w
	case *Entries:
		return wireEntries{Despite: f.Despite, Last: f.Last, Entries: toWires(f.Entries)}
	case *Status:
		return wireStatus{Root: f.Root[:], Round: f.Round, Sent: f.Sent, Got: f.Got, Refused: f.Refused}
	case *Tops:
		w := wireTops{}
		for i := range f.Sums {
			w.Sums = append(w.Sums, &wireSum{At: uint16(f.Sums[i].Top), Sum: f.Sums[i].Sum[:]})
		}
		return w
	case *Leaves:
		w := wireLeaves{Tops: f.Tops}
		for i := range f.Sums {
			w.Sums = append(w.Sums, &wireSum{At: uint16(f.Sums[i].Bucket), Sum: f.Sums[i].Sum[:]})
		}
		return w
	case *Items:
		return itemsToWire(f)
	case *Finish:
		return wireFinish{State: uint8(f.State), Why: f.Why}
	}
	panic(fmt.Sprintf("replica: frame of type %T", f))
}

func itemsToWire(f *Items) wireItems {
	w := wireItems{Last: f.Last}
	for _, b := range f.Buckets {
		w.Buckets = append(w.Buckets, uint16(b))
	}
	for i := range f.Items {
		it := &f.Items[i]
		wi := &wireItem{
			Kind: uint8(it.Kind), Key: cbor.ByteString(it.Key), Actor: uint64(it.Dot.Actor), Seq: it.Dot.Seq, Stamp: uint64(it.Order.Stamp),
			Base: uint64(it.Order.Base), Expires: uint64(it.Expires), Deleted: it.Deleted, Hash: it.Hash[:],
		}
		if !it.Order.Fence.IsZero() {
			wi.Fence = it.Order.Fence[:]
		}
		w.Items = append(w.Items, wi)
	}
	return w
}

// DecodeFrame reads a frame. The result shares nothing with data.
func DecodeFrame(data []byte) (Frame, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: empty frame", ErrProtocol)
	}
	rest := data[1:]
	switch data[0] {
	case 1:
		return decodeHello(rest)
	case 2:
		return decodeContexts(rest)
	case 3:
		return decodeEntries(rest)
	case 4:
		var w wireStatus
		if err := unmarshal(rest, &w); err != nil {
			return nil, err
		}
		root, err := digestFrom(w.Root)
		return &Status{Root: root, Round: w.Round, Sent: w.Sent, Got: w.Got, Refused: w.Refused}, err
	case 5:
		return decodeTops(rest)
	case 6:
		return decodeLeaves(rest)
	case 7:
		return decodeItems(rest)
	case 8:
		var w wireFinish
		if err := unmarshal(rest, &w); err != nil {
			return nil, err
		}
		if State(w.State) <= Running || State(w.State) > Failed || len(w.Why) > maxWhy {
			return nil, fmt.Errorf("%w: bad end of session", ErrProtocol)
		}
		return &Finish{State: State(w.State), Why: w.Why}, nil
	}
	return nil, fmt.Errorf("%w: frame of unknown type %d", ErrProtocol, data[0])
}

const (
	maxWhy      = 1 << 10
	maxRegistry = 256
)

func digestFrom(b []byte) (d lwwmap.Digest, err error) {
	if len(b) != len(d) {
		return d, fmt.Errorf("%w: digest of %d bytes", ErrProtocol, len(b))
	}
	return lwwmap.Digest(b), nil
}

func decodeHello(data []byte) (Frame, error) {
	if err := checkVersion(data, "hello"); err != nil {
		return nil, err
	}
	var w wireHello
	if err := unmarshal(data, &w); err != nil {
		return nil, err
	}
	root, err := digestFrom(w.Root)
	if err != nil {
		return nil, err
	}
	context, err := digestFrom(w.Context)
	if err != nil {
		return nil, err
	}
	if len(w.Registry) > maxRegistry {
		return nil, fmt.Errorf("%w: registry name of %d bytes", ErrBounds, len(w.Registry))
	}
	return &Hello{Version: w.Version, Registry: string(w.Registry), Clock: hlc.Timestamp(w.Clock), Keys: w.Keys, Root: root, Context: context}, nil
}

func decodeContexts(data []byte) (Frame, error) {
	var w wireContexts
	if err := unmarshal(data, &w); err != nil {
		return nil, err
	}
	f := &Contexts{Last: w.Last}
	for _, s := range w.Spans {
		if s == nil || s.Actor == 0 || len(s.Bounds) == 0 {
			return nil, fmt.Errorf("%w: context without an actor or its ranges", ErrProtocol)
		}
		ranges, err := rangesFrom(s.Bounds)
		if err != nil {
			return nil, err
		}
		f.Spans = append(f.Spans, crdt.Span{Actor: crdt.Actor(s.Actor), Ranges: ranges})
	}
	if !f.Last && len(w.Horizons) == 0 {
		return f, nil
	}
	if !f.Last || len(w.Horizons) != len(f.Horizons) {
		return nil, fmt.Errorf("%w: %d horizons, want %d", ErrProtocol, len(w.Horizons), len(f.Horizons))
	}
	for i, o := range w.Horizons {
		if o == nil {
			return nil, fmt.Errorf("%w: a horizon is null", ErrProtocol)
		}
		fence, err := tokenFrom(o.Fence)
		if err != nil {
			return nil, err
		}
		f.Horizons[i] = lwwmap.Order{Fence: fence, Base: hlc.Timestamp(o.Base), Stamp: hlc.Timestamp(o.Stamp), Actor: crdt.Actor(o.Actor)}
	}
	return f, nil
}

func decodeEntries(data []byte) (Frame, error) {
	var w wireEntries
	if err := unmarshal(data, &w); err != nil {
		return nil, err
	}
	es, err := fromWires(w.Entries)
	return &Entries{Despite: w.Despite, Last: w.Last, Entries: es}, err
}

func decodeTops(data []byte) (Frame, error) {
	var w wireTops
	if err := unmarshal(data, &w); err != nil {
		return nil, err
	}
	f := &Tops{}
	for _, s := range w.Sums {
		if s == nil || s.At >= lwwmap.Fanout {
			return nil, fmt.Errorf("%w: bad digest", ErrProtocol)
		}
		sum, err := digestFrom(s.Sum)
		if err != nil {
			return nil, err
		}
		f.Sums = append(f.Sums, TopSum{byte(s.At), sum})
	}
	return f, nil
}

func decodeLeaves(data []byte) (Frame, error) {
	var w wireLeaves
	if err := unmarshal(data, &w); err != nil {
		return nil, err
	}
	f := &Leaves{Tops: w.Tops}
	for _, s := range w.Sums {
		if s == nil {
			return nil, fmt.Errorf("%w: bad digest", ErrProtocol)
		}
		sum, err := digestFrom(s.Sum)
		if err != nil {
			return nil, err
		}
		f.Sums = append(f.Sums, LeafSum{lwwmap.Bucket(s.At), sum})
	}
	return f, nil
}

func decodeItems(data []byte) (Frame, error) {
	var w wireItems
	if err := unmarshal(data, &w); err != nil {
		return nil, err
	}
	f := &Items{Last: w.Last}
	for _, b := range w.Buckets {
		f.Buckets = append(f.Buckets, lwwmap.Bucket(b))
	}
	for _, it := range w.Items {
		if it == nil || !lwwmap.Kind(it.Kind).Valid() || it.Actor == 0 || it.Seq == 0 || len(it.Key) == 0 || len(it.Key) > lwwmap.MaxKeyLen {
			return nil, fmt.Errorf("%w: bad audit item", ErrProtocol)
		}
		fence, err := tokenFrom(it.Fence)
		if err != nil {
			return nil, err
		}
		hash, err := digestFrom(it.Hash)
		if err != nil {
			return nil, err
		}
		f.Items = append(f.Items, KeyItem{Kind: lwwmap.Kind(it.Kind), Key: string(it.Key), Item: lwwmap.Item{
			Dot:     crdt.Dot{Actor: crdt.Actor(it.Actor), Seq: it.Seq},
			Order:   lwwmap.Order{Fence: fence, Base: hlc.Timestamp(it.Base), Stamp: hlc.Timestamp(it.Stamp), Actor: crdt.Actor(it.Actor)},
			Expires: hlc.Timestamp(it.Expires), Deleted: it.Deleted, Hash: hash,
		}})
	}
	return f, nil
}
