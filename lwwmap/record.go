package lwwmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"unsafe"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// Record is an immutable packed entry: one allocation without pointers, so
// that a million of them cost the garbage collector nothing to scan and a
// lookup touches one place in memory. The zero Record is no record.
//
// Layout, little endian: hash 16, stamp 8, actor 8, form 1, then seq 4, value
// length 2 and key length 1 or, in the wide form, which takes over where these
// do not do, seq 8, value length 4 and key length 2; then the key, fence 24 and
// base 8 if flagged, expiry 8 if flagged, and the value.
type Record struct{ p *byte }

const (
	offStamp  = 16
	offActor  = 24
	offForm   = 32
	offSeq    = 33
	narrowLen = 40 // of the header
	wideLen   = 47
	fenceLen  = TokenSize + 8
	expiryLen = 8
)

// Bits of the form. The low two are the kind.
const (
	formKind    = 0b11
	formDeleted = 1 << iota << 1
	formFence
	formExpiry
	formWide
	formAll = formKind | formDeleted | formFence | formExpiry | formWide
)

// Pack copies e into a record. The hash is keyed with digestKey. Key and value
// must be within MaxKeyLen and MaxValueLen.
func Pack(e *Entry, digestKey Digest) Record {
	r := pack(e)
	r.seal(digestKey)
	return r
}

// recordOf returns the record that these bytes are.
func recordOf(b []byte) Record { return Record{unsafe.SliceData(b)} }

// form returns the form of an entry's record, and how long its header and all of it are.
func (e *Entry) form() (form byte, head, size int) {
	form, head = byte(e.Kind), narrowLen
	if e.Dot.Seq > math.MaxUint32 || len(e.Value) > math.MaxUint16 || len(e.Key) > math.MaxUint8 {
		form |= formWide
		head = wideLen
	}
	size = head + len(e.Key) + len(e.Value)
	if e.Deleted {
		form |= formDeleted
	}
	if !e.Fence.IsZero() || e.Base != 0 {
		form |= formFence
		size += fenceLen
	}
	if e.Expires != 0 {
		form |= formExpiry
		size += expiryLen
	}
	return form, head, size
}

// pack is Pack without the hash.
func pack(e *Entry) Record {
	form, head, n := e.form()
	b := make([]byte, n)
	binary.LittleEndian.PutUint64(b[offStamp:], uint64(e.Stamp))
	binary.LittleEndian.PutUint64(b[offActor:], uint64(e.Dot.Actor))
	b[offForm] = form
	putLengths(b[offSeq:head], e)
	rest := b[head+copy(b[head:], e.Key):]
	if form&formFence != 0 {
		copy(rest, e.Fence[:])
		binary.LittleEndian.PutUint64(rest[TokenSize:], uint64(e.Base))
		rest = rest[fenceLen:]
	}
	if form&formExpiry != 0 {
		binary.LittleEndian.PutUint64(rest, uint64(e.Expires))
		rest = rest[expiryLen:]
	}
	copy(rest, e.Value)
	return recordOf(b)
}

// putLengths writes the part of the header that has two forms; its length says
// which.
func putLengths(b []byte, e *Entry) {
	if len(b) == narrowLen-offSeq {
		binary.LittleEndian.PutUint32(b, uint32(e.Dot.Seq))
		binary.LittleEndian.PutUint16(b[4:], uint16(len(e.Value)))
		b[6] = byte(len(e.Key))
		return
	}
	binary.LittleEndian.PutUint64(b, e.Dot.Seq)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(e.Value)))
	binary.LittleEndian.PutUint16(b[12:], uint16(len(e.Key)))
}

// seal puts the hash of all that follows in front. The digest key takes the
// place of the hash while hashing, which keys it without another copy.
func (r Record) seal(digestKey Digest) {
	b := r.bytes()
	copy(b, digestKey[:])
	sum := sha256.Sum256(b)
	copy(b, sum[:len(digestKey)])
}

// live returns what a record adds to the digest tree: nothing if it is a
// tombstone, or none.
func (r Record) live() Digest {
	if r.IsZero() || r.Deleted() {
		return Digest{}
	}
	return r.Hash()
}

// IsZero says whether r is no record.
func (r Record) IsZero() bool { return r.p == nil }

func (r Record) head() *[narrowLen]byte { return (*[narrowLen]byte)(unsafe.Pointer(r.p)) }

// wide returns the header of a record in the wide form.
func (r Record) wide() *[wideLen]byte { return (*[wideLen]byte)(unsafe.Pointer(r.p)) }

func (r Record) form() byte { return r.head()[offForm] }

func (r Record) headerLen() int {
	if r.form()&formWide != 0 {
		return wideLen
	}
	return narrowLen
}

func (r Record) klen() int {
	if r.form()&formWide != 0 {
		return int(binary.LittleEndian.Uint16(r.wide()[offSeq+12:]))
	}
	return int(r.head()[offSeq+6])
}

func (r Record) vlen() int {
	if r.form()&formWide != 0 {
		return int(binary.LittleEndian.Uint32(r.wide()[offSeq+8:]))
	}
	return int(binary.LittleEndian.Uint16(r.head()[offSeq+4:]))
}

func (r Record) seq() uint64 {
	if r.form()&formWide != 0 {
		return binary.LittleEndian.Uint64(r.wide()[offSeq:])
	}
	return uint64(binary.LittleEndian.Uint32(r.head()[offSeq:]))
}

// body returns everything behind the key.
func (r Record) body() []byte { return r.bytes()[r.headerLen()+r.klen():] }

func (r Record) bytes() []byte { return unsafe.Slice(r.p, r.Size()) }

// Packed returns the record as [ParseRecord] reads it, without copying it. It must not
// be modified.
func (r Record) Packed() []byte { return r.bytes() }

// ParseRecord makes a record of what Packed has returned, which it keeps. It
// refuses what is no record; only Intact tells whether it is the one that was
// packed.
func ParseRecord(b []byte) (Record, error) {
	if len(b) < narrowLen {
		return Record{}, errDamaged
	}
	r := recordOf(b)
	if r.headerLen() > len(b) || r.vlen() < 0 { // below zero: 2^31 and more, where int has 32 bits
		return Record{}, errDamaged
	}
	if r.Size() != len(b) || !r.Kind().Valid() || r.form()&^formAll != 0 || r.klen() == 0 {
		return Record{}, errDamaged
	}
	return r, nil
}

var errDamaged = errors.New("lwwmap: not a packed record")

// Intact says whether the record is as Pack made it under the digest key of m.
func (m *Map) Intact(r Record) bool {
	again := recordOf(append([]byte(nil), r.bytes()...))
	again.seal(m.digestKey)
	return again.Hash() == r.Hash()
}

// Size is the length of the packed record in bytes.
func (r Record) Size() int { return r.headerLen() + r.klen() + r.vlen() + r.extra() }

// extra is the length of the optional fields.
func (r Record) extra() (n int) {
	f := r.form()
	if f&formFence != 0 {
		n += fenceLen
	}
	if f&formExpiry != 0 {
		n += expiryLen
	}
	return n
}

// Kind says what the record is about.
func (r Record) Kind() Kind { return Kind(r.form() & formKind) }

// Key returns the key without copying it.
func (r Record) Key() string {
	n := r.klen()
	if n == 0 {
		return "" // not a pointer to the end, which may be someone else's memory
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(r.p), r.headerLen())), n)
}

// Value returns the value without copying it; it must not be modified. It is
// never nil.
func (r Record) Value() []byte {
	b := r.bytes()
	off := len(b) - r.vlen()
	return b[off:len(b):len(b)] // a slice, not unsafe.Add: an empty one does not point to the end
}

// Dot says who wrote the record.
func (r Record) Dot() crdt.Dot {
	return crdt.Dot{Actor: crdt.Actor(binary.LittleEndian.Uint64(r.head()[offActor:])), Seq: r.seq()}
}

// Stamp says when the record was written.
func (r Record) Stamp() hlc.Timestamp {
	return hlc.Timestamp(binary.LittleEndian.Uint64(r.head()[offStamp:]))
}

// Hash is the keyed hash of the whole record.
func (r Record) Hash() Digest { return Digest(r.head()[:len(Digest{})]) }

// Deleted says whether the record is a tombstone.
func (r Record) Deleted() bool { return r.form()&formDeleted != 0 }

// Expires returns the time from which the record is dead, zero if never.
func (r Record) Expires() hlc.Timestamp {
	f := r.form()
	if f&formExpiry == 0 {
		return 0
	}
	b := r.body()
	if f&formFence != 0 {
		b = b[fenceLen:]
	}
	return hlc.Timestamp(binary.LittleEndian.Uint64(b))
}

// Fence returns the token under which the key was last written, and the stamp
// of that write.
func (r Record) Fence() (fence Token, base hlc.Timestamp) {
	if r.form()&formFence == 0 {
		return Token{}, 0
	}
	b := r.body()
	return Token(b[:TokenSize]), hlc.Timestamp(binary.LittleEndian.Uint64(b[TokenSize:]))
}

// Order returns the record's place among the records of its key.
func (r Record) Order() Order {
	fence, base := r.Fence()
	return Order{Fence: fence, Base: base, Stamp: r.Stamp(), Actor: r.Dot().Actor}
}

// Dead says whether the record shows no value at the given time.
func (r Record) Dead(at hlc.Timestamp) bool {
	if r.Deleted() {
		return true
	}
	e := r.Expires()
	return e != 0 && e <= at
}

// Compare orders two records of one key: by [Order], then by dot and hash, so
// that even a writer that reuses a stamp or a dot cannot make replicas differ.
func (r Record) Compare(s Record) int {
	if c := r.Order().Compare(s.Order()); c != 0 {
		return c
	}
	if c := r.Dot().Compare(s.Dot()); c != 0 {
		return c
	}
	x, y := r.Hash(), s.Hash() // last, for within a batch a record may not have one yet
	return bytes.Compare(x[:], y[:])
}

// Same says whether r and s are the same write with the same content, or both
// no record.
func (r Record) Same(s Record) bool {
	return r.p == s.p || (r.p != nil && s.p != nil && r.Hash() == s.Hash())
}

// Entry unpacks the record. Key and Value are not copied.
func (r Record) Entry() Entry {
	fence, base := r.Fence()
	return Entry{
		Kind: r.Kind(), Key: r.Key(), Value: r.Value(), Dot: r.Dot(), Stamp: r.Stamp(),
		Fence: fence, Base: base, Expires: r.Expires(), Deleted: r.Deleted(),
	}
}

// Item is what a join has to know of a record: all but key and value.
type Item struct {
	Dot     crdt.Dot
	Order   Order
	Expires hlc.Timestamp
	Deleted bool
	Hash    Digest
}

// Item returns what a join has to know of the record.
func (r Record) Item() Item {
	return Item{Dot: r.Dot(), Order: r.Order(), Expires: r.Expires(), Deleted: r.Deleted(), Hash: r.Hash()}
}

// Compare returns -1, 0 or 1. The higher item wins.
func (i Item) Compare(j Item) int {
	if c := i.Order.Compare(j.Order); c != 0 {
		return c
	}
	if c := i.Dot.Compare(j.Dot); c != 0 {
		return c
	}
	return bytes.Compare(i.Hash[:], j.Hash[:])
}

// Dead says whether the item shows no value at the given time.
func (i Item) Dead(at hlc.Timestamp) bool {
	return i.Deleted || (i.Expires != 0 && i.Expires <= at)
}
