package lwwmap

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A pointer to the end of an allocation may point into the next span, which
// the garbage collector takes for corruption if that span is free.
func TestEmptyKeysAndValuesPointNowhereElse(t *testing.T) {
	end := func(r Record) uintptr { return uintptr(unsafe.Pointer(r.p)) + uintptr(r.Size()) }
	for _, e := range []Entry{
		{Kind: Data, Key: "sixteen bytes !!", Deleted: true}, // 64 bytes in all: a size class
		{Kind: Data, Key: "sixteen bytes !!", Expires: 1, Fence: Token{1}, Value: []byte{}},
		{Kind: Data},
	} {
		r := Pack(&e, Digest{})
		require.Less(t, uintptr(unsafe.Pointer(unsafe.SliceData(r.Value()))), end(r))
		require.NotNil(t, r.Value(), "encoded as empty, not as null")
		if e.Key == "" {
			require.Less(t, uintptr(unsafe.Pointer(unsafe.StringData(r.Key()))), end(r))
		}
		require.Empty(t, r.Value())
		require.Equal(t, e.Key, r.Key())
	}
}
