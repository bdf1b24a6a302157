package replica

import (
	"bytes"
	"fmt"
	"unsafe"

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
	Ahead    uint64 // ms that the clock is ahead of the wall clock
	Keys     uint64
	State    []byte
	Wants    []*wireSpan
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
		return wireHello{
			Version: f.Version, Registry: cbor.ByteString(f.Registry), Clock: uint64(f.Clock), Ahead: f.Clock.Millis() - f.Wall.Millis(),
			Keys: f.Keys, State: f.State[:], Wants: spansToWire(f.Wants),
		}
	case *Contexts:
		w := wireContexts{Last: f.Last, Spans: spansToWire(f.Spans)}
		if f.Last {
			for i := range f.Horizons {
				o := &f.Horizons[i]
				w.Horizons = append(w.Horizons, &wireOrder{Fence: tokenBytes(&o.Fence), Base: uint64(o.Base), Stamp: uint64(o.Stamp), Actor: uint64(o.Actor)})
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

func spansToWire(spans []crdt.Span) (w []*wireSpan) {
	for _, s := range spans {
		w = append(w, &wireSpan{Actor: uint64(s.Actor), Bounds: boundsOf(s.Ranges)})
	}
	return w
}

func itemsToWire(f *Items) wireItems {
	w := wireItems{Last: f.Last}
	for _, b := range f.Buckets {
		w.Buckets = append(w.Buckets, uint16(b))
	}
	for i := range f.Items {
		it := &f.Items[i]
		w.Items = append(w.Items, &wireItem{
			Kind: uint8(it.Kind), Key: cbor.ByteString(it.Key), Actor: uint64(it.Dot.Actor), Seq: it.Dot.Seq, Stamp: uint64(it.Order.Stamp),
			Base: uint64(it.Order.Base), Expires: uint64(it.Expires), Deleted: it.Deleted, Hash: it.Hash[:],
			Fence: tokenBytes(&it.Order.Fence),
		})
	}
	return w
}

// DecodeFrame reads a frame. The result shares nothing with data.
func DecodeFrame(data []byte) (Frame, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: empty frame", ErrProtocol)
	}
	r := &reader{data: data[1:]}
	var f Frame
	switch data[0] {
	case 1:
		f = r.hello()
	case 2:
		f = r.contexts()
	case 3:
		r.data = bytes.Clone(r.data)
		r.tuple(3)
		f = &Entries{Despite: r.bool(), Last: r.bool(), Entries: r.entries()}
	case 4:
		r.tuple(5)
		f = &Status{Root: r.digest(), Round: r.uint(), Sent: r.uint(), Got: r.uint(), Refused: r.uint()}
	case 5:
		f = r.tops()
	case 6:
		f = r.leaves()
	case 7:
		r.data = bytes.Clone(r.data)
		f = r.items()
	case 8:
		f = r.finish()
	default:
		return nil, fmt.Errorf("%w: frame of unknown type %d", ErrProtocol, data[0])
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return f, nil
}

const (
	maxWhy      = 1 << 10
	maxRegistry = 256
)

func (r *reader) hello() *Hello {
	r.version(7, "hello")
	f := &Hello{Version: Version}
	if name := r.bytes(); len(name) <= maxRegistry {
		f.Registry = string(name)
	} else {
		r.fail("registry name of %d bytes", len(name))
	}
	f.Clock = r.stamp()
	f.Wall = hlc.Make(f.Clock.Millis()-r.upTo(f.Clock.Millis()), 0)
	f.Keys, f.State, f.Wants = r.uint(), r.digest(), r.spans()
	if countRanges(f.Wants) > maxWants {
		r.fail("hello asks for more than %d ranges of writes", maxWants)
	}
	return f
}

func (r *reader) contexts() *Contexts {
	r.tuple(3)
	f := &Contexts{Spans: r.spans()}
	if f.Last = r.bool(); !f.Last {
		r.tuple(0)
		return f
	}
	r.tuple(len(f.Horizons))
	for i := range f.Horizons {
		r.tuple(4)
		f.Horizons[i] = lwwmap.Order{Fence: r.token(), Base: r.stamp(), Stamp: r.stamp(), Actor: crdt.Actor(r.uint())}
	}
	return f
}

func (r *reader) spans() []crdt.Span {
	spans := make([]crdt.Span, r.list(5))
	for i := range spans {
		r.tuple(2)
		spans[i] = crdt.Span{Actor: r.actor(), Ranges: r.ranges()}
		if len(spans[i].Ranges) == 0 {
			r.fail("actor without ranges")
		}
	}
	return spans
}

// minSum is the length of the shortest digest with its place.
const minSum = 1 + 1 + 1 + len(lwwmap.Digest{})

func (r *reader) tops() *Tops {
	r.tuple(1)
	f := &Tops{Sums: make([]TopSum, r.list(minSum))}
	for i := range f.Sums {
		r.tuple(2)
		f.Sums[i] = TopSum{byte(r.upTo(lwwmap.Fanout - 1)), r.digest()}
	}
	return f
}

func (r *reader) leaves() *Leaves {
	r.tuple(2)
	f := &Leaves{Tops: bytes.Clone(r.bytes())}
	f.Sums = make([]LeafSum, r.list(minSum))
	for i := range f.Sums {
		r.tuple(2)
		f.Sums[i] = LeafSum{r.bucket(), r.digest()}
	}
	return f
}

func (r *reader) bucket() lwwmap.Bucket {
	return lwwmap.Bucket(r.upTo(lwwmap.Fanout*lwwmap.Fanout - 1))
}

// minItem is the length of the shortest item.
const minItem = 1 + 1 + 2 + 3 + 1 + 2 + 1 + 1 + len(lwwmap.Digest{})

// items shares its keys with the reader's data.
func (r *reader) items() *Items {
	r.tuple(3)
	f := &Items{Buckets: make([]lwwmap.Bucket, r.list(1))}
	for i := range f.Buckets {
		f.Buckets[i] = r.bucket()
	}
	f.Items = make([]KeyItem, r.list(minItem))
	for i := range f.Items {
		r.item(&f.Items[i])
	}
	f.Last = r.bool()
	return f
}

func (r *reader) item(it *KeyItem) {
	r.tuple(10)
	it.Kind = r.kind()
	key := r.key()
	it.Key = unsafe.String(unsafe.SliceData(key), len(key))
	it.Dot = r.dot()
	stamp := r.stamp()
	it.Order = lwwmap.Order{Fence: r.token(), Base: r.stamp(), Stamp: stamp, Actor: it.Dot.Actor}
	it.Expires, it.Deleted, it.Hash = r.stamp(), r.bool(), r.digest()
}

func (r *reader) finish() *Finish {
	r.tuple(2)
	f := &Finish{State: State(r.upTo(uint64(Failed))), Why: r.text()}
	if f.State == Running || len(f.Why) > maxWhy {
		r.fail("bad end of session")
	}
	return f
}
