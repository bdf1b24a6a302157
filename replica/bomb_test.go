package replica_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// allocated returns the bytes that fn allocates.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// arrayOf is the head of an array of n elements and these, each once.
func arrayOf(n int, element []byte) []byte {
	head := []byte{0x9a, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	return append(head, bytes.Repeat(element, n)...)
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// bombs are messages that cost far more to read, for a careless reader, than
// to send. Each is tried as a delta and as the body of each type of frame.
func bombs() map[string][]byte {
	repeat := func(n int, b ...byte) []byte { return bytes.Repeat(b, n) }
	deltaHead := []byte{0x85, 1, 7, 0x82, 1, 1, 0x80}
	return map[string][]byte{
		"100,000 empty maps":        arrayOf(100_000, []byte{0xa0}),
		"100,000 empty arrays":      arrayOf(100_000, []byte{0x80}),
		"100,000 nulls":             arrayOf(100_000, []byte{0xf6}),
		"8,192 empty maps":          arrayOf(8192, []byte{0xa0}),
		"delta of empty arrays":     concat(deltaHead, arrayOf(8192, []byte{0x80})),
		"delta of nulls":            concat(deltaHead, arrayOf(8192, []byte{0xf6})),
		"delta of empty maps":       concat(deltaHead, arrayOf(8192, []byte{0xa0})),
		"delta of numbers":          concat(deltaHead, arrayOf(8192, []byte{0x00})),
		"delta of arrays of arrays": concat(deltaHead, arrayOf(100, arrayOf(100, arrayOf(8, []byte{0x80})))),
		"entries of empty arrays":   concat([]byte{0x83, 0xf4, 0xf5}, arrayOf(8192, []byte{0x80})),
		"contexts of empty arrays":  concat([]byte{0x83}, arrayOf(8192, []byte{0x80}), []byte{0xf5}, arrayOf(8192, []byte{0x80})),
		"contexts of empty spans":   concat([]byte{0x83}, arrayOf(8192, []byte{0x82, 1, 0x80}), []byte{0xf4, 0x80}),
		"items of empty arrays":     concat([]byte{0x83, 0x80}, arrayOf(8192, []byte{0x80}), []byte{0xf4}),
		"sums of empty arrays":      concat([]byte{0x81}, arrayOf(8192, []byte{0x80})),
		"leaves of empty arrays":    concat([]byte{0x82, 0x40}, arrayOf(8192, []byte{0x80})),
		"duplicate keys":            {0xa2, 0x61, 'a', 1, 0x61, 'a', 2},
		"many duplicate keys":       append([]byte{0xb9, 0x03, 0xe8}, repeat(1000, 0x61, 'a', 1)...),
		"indefinite array":          append([]byte{0x9f}, repeat(1000, 0x80)...),
		"indefinite map":            {0xbf, 1, 1, 0xff},
		"indefinite bytes":          {0x5f, 0x41, 1, 0x41, 2, 0xff},
		"indefinite text":           {0x7f, 0x61, 'a', 0xff},
		"a thousand arrays deep":    repeat(1000, 0x81),
		"a hundred thousand deep":   repeat(100_000, 0x81),
		"maps deep":                 repeat(1000, 0xa1, 1),
		"tags deep":                 repeat(1000, 0xc1),
		"bytes of 4 GB announced":   {0x5a, 0xff, 0xff, 0xff, 0xff, 1},
		"bytes of 16 EB announced":  {0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"text of 4 GB announced":    {0x7a, 0xff, 0xff, 0xff, 0xff, 'a'},
		"array of 4 G announced":    {0x9a, 0xff, 0xff, 0xff, 0xff, 1},
		"array of 8,192 announced":  {0x85, 1, 7, 0x99, 0x20, 0x00, 1},
		"array of 16 E announced":   {0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"map of 16 E announced":     {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"value of 4 GB announced":   concat(deltaHead, []byte{0x81, 0x8a, 1, 0x41, 'k', 0x5a, 0xff, 0xff, 0xff, 0xff}),
		"name of 4 GB announced":    {0x86, 1, 0x5a, 0xff, 0xff, 0xff, 0xff, 'r'},
		"big number":                {0xc2, 0x58, 0xff, 1},
		"reserved":                  {0x1c},
		"break alone":               {0xff},
	}
}

// costFactor is how many bytes may be allocated for each byte read, beyond 64
// KiB: an entry of 12 bytes takes 152, and a copy is made of what it points to.
const costFactor = 14

// The densest messages that are accepted.
func TestDenseMessagesCostInProportion(t *testing.T) {
	entry := []byte{0x8a, 1, 0x41, 'k', 0x40, 1, 1, 1, 0x40, 0, 0, 0xf4}
	item := concat([]byte{0x8a, 1, 0x41, 'k', 1, 1, 1, 0x40, 0, 0, 0xf4, 0x50}, make([]byte, 16))
	sum := concat([]byte{0x82, 1, 0x50}, make([]byte, 16))
	var bounds []byte
	for i := range 4096 {
		bounds = append(bounds, 0x19, byte((4*i+256)>>8), byte(4*i+256), 0x19, byte((4*i+256)>>8), byte(4*i+256))
	}
	bounds = concat([]byte{0x99, 0x20, 0x00}, bounds)
	list := func(n int, element []byte) []byte {
		return concat([]byte{0x99, byte(n >> 8), byte(n)}, bytes.Repeat(element, n))
	}
	for name, data := range map[string][]byte{
		"entries":  concat([]byte{3, 0x83, 0xf4, 0xf5}, list(8192, entry)),
		"contexts": concat([]byte{2, 0x83}, list(8192, []byte{0x82, 1, 0x82, 1, 1}), []byte{0xf4, 0x80}),
		"ranges":   concat([]byte{2, 0x83, 0x81, 0x82, 1}, bounds, []byte{0xf4, 0x80}),
		"items":    concat([]byte{7, 0x83}, list(8192, []byte{1}), list(8192, item), []byte{0xf4}),
		"tops":     concat([]byte{5, 0x81}, list(8192, sum)),
		"leaves":   concat([]byte{6, 0x82, 0x40}, list(8192, sum)),
	} {
		got := allocated(func() {
			_, err := replica.DecodeFrame(data)
			require.NoError(t, err, name)
		})
		require.LessOrEqual(t, got, uint64(64<<10+costFactor*len(data)), name)
	}
	delta := concat([]byte{0x85, 1, 7}, bounds, bounds, list(8192, entry))
	got := allocated(func() {
		_, err := replica.DecodeDelta(delta)
		require.NoError(t, err)
	})
	require.LessOrEqual(t, got, uint64(64<<10+costFactor*len(delta)))
}

func TestBombsAreCheap(t *testing.T) {
	for name, bomb := range bombs() {
		t.Run(name, func(t *testing.T) {
			limit := uint64(64<<10 + costFactor*len(bomb))
			got := allocated(func() {
				_, err := replica.DecodeDelta(bomb)
				require.True(t, isProtocol(err), err)
			})
			require.LessOrEqual(t, got, limit, "as a delta of %d bytes", len(bomb))
			for kind := byte(1); kind <= 8; kind++ {
				frame := append([]byte{kind}, bomb...)
				got := allocated(func() {
					_, err := replica.DecodeFrame(frame)
					require.True(t, isProtocol(err), err)
				})
				require.LessOrEqual(t, got, limit, "as a frame of type %d and %d bytes", kind, len(bomb))
			}
		})
	}
}
