package minikv

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

// A Codec turns values into bytes. Append must give equal bytes for equal values, and Decode must not keep
// src. Both are called concurrently. Their errors come back wrapped, of class [ErrCodec].
type Codec[T any] interface {
	Append(dst []byte, v T) ([]byte, error)
	Decode(src []byte, v *T) error
}

// CBOR is the default codec: RFC 8949 core deterministic encoding (section 4.2.1). Times are RFC 3339 text
// in UTC with nanoseconds.
//
// It is strict on decode, because values come from other nodes: unknown fields, duplicate keys, indefinite
// lengths, tags, nesting deeper than 16 and arrays or maps of more than 65,536 elements are refused. So a
// program whose T has a new field writes values that older programs cannot read: bring out the readers
// first, or give a codec of your own.
func CBOR[T any]() Codec[T] { return cborCodec[T]{} }

type cborCodec[T any] struct{}

// Append encodes v behind dst.
func (cborCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	if err := cborEncode.MarshalToBuffer(v, b); err != nil {
		return dst, err
	}
	return b.Bytes(), nil
}

// Decode fills *v, which has to be zero, from src.
func (cborCodec[T]) Decode(src []byte, v *T) error { return cborDecode.Unmarshal(src, v) }

// The limits on what a value of a typed registry may look like inside; its length is bounded where it is
// stored.
const (
	cborMaxNesting  = 16
	cborMaxElements = 65_536
)

var (
	cborEncode = must(encOptions().UserBufferEncMode())
	cborDecode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   cborMaxNesting,
		MaxArrayElements:  cborMaxElements,
		MaxMapPairs:       cborMaxElements,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		DefaultMapType:    reflect.TypeFor[map[string]any](),
	}.DecMode())
)

func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.Time = cbor.TimeRFC3339NanoUTC
	o.TagsMd = cbor.TagsForbidden
	return o
}

// must is for option sets fixed in the program's text.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("minikv: options: %v", err))
	}
	return v
}
