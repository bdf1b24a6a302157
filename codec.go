package minikv

// A Codec turns values into bytes. Append must give equal bytes for equal values, and Decode must not keep src. Both are called concurrently.
type Codec[T any] interface {
	Append(dst []byte, v T) ([]byte, error)
	Decode(src []byte, v *T) error
}

// CBOR is the default codec: RFC 8949 core deterministic encoding, and strict on decode: unknown fields, duplicate keys, indefinite lengths, tags,
// nesting deeper than 16 and arrays or maps of more than 65,536 elements are refused.
func CBOR[T any]() Codec[T] { return nil }
