package replica

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// reader takes messages apart: arrays and strings of definite length, unsigned
// numbers and booleans, each in its shortest form (RFC 8949, section 4.2.1) and
// nothing else. So what is accepted has one spelling, and what it allocates is
// in proportion to what is there, not to what is announced. After the first
// error it reads zeros.
type reader struct {
	data []byte
	err  error
}

// The major types of CBOR.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
)

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)
	}
	r.data = nil
}

// head reads the head of an item of a major type, and returns its argument.
func (r *reader) head(major byte) uint64 {
	if len(r.data) == 0 {
		r.fail("message ends too early")
		return 0
	}
	b := r.data[0]
	if b>>5 != major {
		r.fail("item of major type %d, want %d", b>>5, major)
		return 0
	}
	info := b & 0x1f
	if info < 24 {
		r.data = r.data[1:]
		return uint64(info)
	}
	n := 1 << (info - 24)
	if info > 27 || len(r.data) < 1+n {
		r.fail("bad head %#x", b)
		return 0
	}
	var wide [8]byte
	copy(wide[8-n:], r.data[1:1+n])
	arg := binary.BigEndian.Uint64(wide[:])
	if least := uint64(1) << (4 * n); (n == 1 && arg < 24) || (n > 1 && arg < least) {
		r.fail("number %d is not in its shortest form", arg)
		return 0
	}
	r.data = r.data[1+n:]
	return arg
}

func (r *reader) uint() uint64 { return r.head(majorUint) }

// upTo reads a number that is at most most.
func (r *reader) upTo(most uint64) uint64 {
	n := r.uint()
	if n > most {
		r.fail("number %d, at most %d is allowed", n, most)
		return 0
	}
	return n
}

// string reads a string without copying it.
func (r *reader) string(major byte) []byte {
	n := r.head(major)
	if n > uint64(len(r.data)) {
		r.fail("string of %d bytes, %d are left", n, len(r.data))
		return nil
	}
	s := r.data[:n:n]
	r.data = r.data[n:]
	return s
}

// bytes reads a byte string without copying it.
func (r *reader) bytes() []byte { return r.string(majorBytes) }

func (r *reader) text() string {
	s := string(r.string(majorText))
	if !utf8.ValidString(s) {
		r.fail("text is not UTF-8")
		return ""
	}
	return s
}

func (r *reader) bool() bool {
	if len(r.data) == 0 || r.data[0]&^1 != 0xf4 {
		r.fail("not a boolean")
		return false
	}
	b := r.data[0] == 0xf5
	r.data = r.data[1:]
	return b
}

// tuple reads the head of an array of n elements.
func (r *reader) tuple(n int) {
	if got := r.head(majorArray); r.err == nil && got != uint64(n) {
		r.fail("array of %d elements, want %d", got, n)
	}
}

// list reads the head of an array whose elements take least bytes or more, and
// returns their number.
func (r *reader) list(least int) int {
	n := r.head(majorArray)
	if n > maxArray || n*uint64(least) > uint64(len(r.data)) {
		r.fail("array of %d elements in %d bytes", n, len(r.data))
		return 0
	}
	return int(n)
}

// version reads the version of a message of so many fields: before anything
// else, so that a message of another version is told from garbage.
func (r *reader) version(fields int, what string) {
	n := r.head(majorArray)
	v := r.uint()
	switch {
	case r.err != nil:
	case v != Version:
		r.data, r.err = nil, fmt.Errorf("%w: %s of version %d, this node speaks %d; run the same release on both", ErrVersion, what, v, Version)
	case n != uint64(fields):
		r.fail("%s of %d fields, want %d", what, n, fields)
	}
}

// end returns the error, if there was one; there must be nothing left.
func (r *reader) end() error {
	if r.err == nil && len(r.data) > 0 {
		r.fail("%d bytes behind the message", len(r.data))
	}
	return r.err
}

func (r *reader) actor() crdt.Actor {
	a := r.uint()
	if a == 0 {
		r.fail("no actor")
	}
	return crdt.Actor(a)
}

func (r *reader) dot() crdt.Dot {
	d := crdt.Dot{Actor: r.actor(), Seq: r.uint()}
	if d.Seq == 0 {
		r.fail("no seq")
	}
	return d
}

func (r *reader) stamp() hlc.Timestamp { return hlc.Timestamp(r.uint()) }

func (r *reader) kind() lwwmap.Kind {
	k := lwwmap.Kind(r.upTo(1<<8 - 1))
	if !k.Valid() {
		r.fail("entry of unknown kind %d", uint8(k))
	}
	return k
}

// key reads a key without copying it.
func (r *reader) key() []byte {
	k := r.bytes()
	switch {
	case r.err != nil:
	case len(k) == 0:
		r.fail("empty key")
	case len(k) > lwwmap.MaxKeyLen:
		r.fail("key of %d bytes", len(k))
	}
	return k
}

func (r *reader) token() (t lwwmap.Token) {
	b := r.bytes()
	switch len(b) {
	case 0:
	case lwwmap.TokenSize:
		if t = lwwmap.Token(b); t.IsZero() {
			r.fail("token of zeros")
		}
	default:
		r.fail("token of %d bytes", len(b))
	}
	return t
}

func (r *reader) digest() (d lwwmap.Digest) {
	if b := r.bytes(); len(b) == len(d) {
		return lwwmap.Digest(b)
	}
	r.fail("digest of a wrong length")
	return d
}

func (r *reader) ranges() crdt.Ranges {
	n := r.list(1)
	if n%2 != 0 {
		r.fail("odd number of range bounds")
		return nil
	}
	rs := make(crdt.Ranges, n/2)
	for i := range rs {
		rs[i] = crdt.Range{Lo: r.uint(), Hi: r.uint()}
	}
	if !rs.Valid() {
		r.fail("ranges overlap or are out of order")
	}
	return rs
}
