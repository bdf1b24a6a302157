package p2p_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/p2p"
)

func frame(data []byte) []byte { return append(p2p.AppendLength(nil, len(data)), data...) }

func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire []byte
		frames := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 10).Draw(t, "frames")
		for _, f := range frames {
			wire = append(wire, frame(f)...)
		}
		r := bytes.NewReader(wire)
		for _, f := range frames {
			got, err := p2p.ReadFrame(r, 300)
			require.NoError(t, err)
			require.Equal(t, f, got)
		}
		_, err := p2p.ReadFrame(r, 300)
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestFrameSizes(t *testing.T) {
	for _, size := range []int{p2p.FrameChunk - 1, p2p.FrameChunk, p2p.FrameChunk + 1, 2*p2p.FrameChunk + 1, 1 << 20} {
		data := make([]byte, size)
		data[size-1] = 1
		got, err := p2p.ReadFrame(bytes.NewReader(frame(data)), size)
		require.NoError(t, err)
		require.Equal(t, data, got)
		_, err = p2p.ReadFrame(bytes.NewReader(frame(data)), size-1)
		require.ErrorIs(t, err, p2p.ErrFrameTooLarge)
	}
}

func TestFrameRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		wire []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"half a length", []byte{0x80}, io.ErrUnexpectedEOF},
		{"no data", []byte{5}, io.ErrUnexpectedEOF},
		{"less data", []byte{5, 1, 2}, io.ErrUnexpectedEOF},
		{"too large", []byte{101}, p2p.ErrFrameTooLarge},
		{"beyond 2^63", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, p2p.ErrFrameTooLarge},
		{"beyond 2^64", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, p2p.ErrFrame},
		{"endless length", bytes.Repeat([]byte{0xff}, 100), p2p.ErrFrame},
		{"longer than needed", []byte{0x81, 0x00, 7}, p2p.ErrFrame},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p2p.ReadFrame(bytes.NewReader(tt.wire), 100)
			require.ErrorIs(t, err, tt.want)
		})
	}
}

func TestAnnouncedFrameCostsNothingBeforeItComes(t *testing.T) {
	wire := p2p.AppendLength(nil, 16<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := p2p.ReadFrame(bytes.NewReader(wire), 16<<20)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*p2p.FrameChunk))
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{3, 1, 2, 3})
	f.Add(frame(make([]byte, 200)))
	f.Add([]byte{0x80, 0x80, 0x80, 0x08})
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := bytes.NewReader(wire)
		got, err := p2p.ReadFrame(r, 1<<16)
		if err != nil {
			return
		}
		read := wire[:len(wire)-r.Len()]
		require.Equal(t, read, frame(got))
	})
}
