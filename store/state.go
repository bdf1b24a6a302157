package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Journal rows and the head of a checkpoint have one form, little endian
// varints where no length is given: version 1, clock 8, spans of the context, horizons,
// totals, and changes to the digest tree (none in a checkpoint).

//
// Both end in the CRC-32C of their key and of all before, big endian: nothing else
// would show that a context says more than it should.

// appendSum ends a state row.
func appendSum(row, key []byte) []byte {
	return binary.BigEndian.AppendUint32(row, crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, row))
}

// cutSum takes the end off a state row, and says whether it is right.
func cutSum(row, key []byte) ([]byte, bool) {
	n := len(row) - 4
	if n < 0 {
		return nil, false
	}
	return row[:n], binary.BigEndian.Uint32(row[n:]) == crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, row[:n])
}

const stateVersion = 1

var errState = errors.New("a state row is damaged")

// appendStep encodes a step.
func appendStep(b []byte, s *lwwmap.Step) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, stateVersion), uint64(s.Clock))
	b = binary.AppendUvarint(b, uint64(len(s.Seen)))
	for _, span := range s.Seen {
		b = binary.LittleEndian.AppendUint64(b, uint64(span.Actor))
		b = binary.AppendUvarint(b, uint64(len(span.Ranges)))
		for _, r := range span.Ranges {
			b = binary.AppendUvarint(binary.AppendUvarint(b, r.Lo), r.Hi-r.Lo)
		}
	}
	for _, o := range s.Horizons {
		b = appendOrder(b, o)
	}
	for _, n := range s.Counts.Live {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.AppendUvarint(b, uint64(s.Counts.Tombstones))
	b = binary.AppendUvarint(b, uint64(s.Counts.Bytes))
	b = binary.AppendUvarint(b, uint64(len(s.Sums)))
	for _, d := range s.Sums {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(d.Bucket)), d.Delta[:]...)
	}
	return b
}

// appendOrder writes one byte for the zero order, which most horizons are.
func appendOrder(b []byte, o lwwmap.Order) []byte {
	if o.IsZero() {
		return append(b, 0)
	}
	b = append(append(b, 1), o.Fence[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(o.Base))
	b = binary.LittleEndian.AppendUint64(b, uint64(o.Stamp))
	return binary.LittleEndian.AppendUint64(b, uint64(o.Actor))
}

// stateReader reads what appendStep wrote; the first mistake sticks.
type stateReader struct {
	b   []byte
	err error
}

func (r *stateReader) bytes(n int) []byte {
	if len(r.b) < n {
		r.err, r.b = errState, nil
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *stateReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.err, r.b = errState, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *stateReader) uint64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }

// total reads a number of what is held.
func (r *stateReader) total() int {
	n := r.uvarint()
	if n > math.MaxInt {
		r.err = errState
	}
	return int(n)
}

// count reads how many items of at least size bytes follow.
func (r *stateReader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.err, r.b = errState, nil
		return 0
	}
	return int(n)
}

func (r *stateReader) order() (o lwwmap.Order) {
	if r.bytes(1)[0] == 0 {
		return o
	}
	o.Fence = lwwmap.Token(r.bytes(lwwmap.TokenSize))
	o.Base, o.Stamp, o.Actor = hlc.Timestamp(r.uint64()), hlc.Timestamp(r.uint64()), crdt.Actor(r.uint64())
	return o
}

func readStep(b []byte) (*lwwmap.Step, error) {
	r, s := &stateReader{b: b}, new(lwwmap.Step)
	if r.bytes(1)[0] != stateVersion {
		return nil, errState
	}
	s.Clock = hlc.Timestamp(r.uint64())
	for range r.count(10) {
		span := crdt.Span{Actor: crdt.Actor(r.uint64())}
		for range r.count(2) {
			lo, n := r.uvarint(), r.uvarint()
			if lo == 0 || lo+n < lo {
				r.err = errState
			}
			span.Ranges = append(span.Ranges, crdt.Range{Lo: lo, Hi: lo + n})
		}
		s.Seen = append(s.Seen, span)
	}
	for i := range s.Horizons {
		s.Horizons[i] = r.order()
	}
	for i := range s.Counts.Live {
		s.Counts.Live[i] = r.total()
	}
	s.Counts.Tombstones, s.Counts.Bytes = r.total(), int64(r.total())
	for range r.count(2 + len(lwwmap.Digest{})) {
		bucket := lwwmap.Bucket(binary.LittleEndian.Uint16(r.bytes(2)))
		s.Sums = append(s.Sums, lwwmap.BucketDelta{Bucket: bucket, Delta: lwwmap.Digest(r.bytes(len(lwwmap.Digest{})))})
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = errState
	}
	return s, r.err
}
