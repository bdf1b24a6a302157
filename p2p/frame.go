package p2p

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// frameChunk is how much memory is spent on a frame before its first byte came.
const frameChunk = 64 << 10

// readFrame reads a uvarint length and that many bytes. A length above max or not
// in its shortest form is refused before anything is allocated; memory then grows
// with what arrives, to at most twice that, and asks grow before it goes beyond the first frameChunk. A clean end before the length is
// io.EOF, an end anywhere later io.ErrUnexpectedEOF.
func readFrame(r interface {
	io.Reader
	io.ByteReader
}, max int, grow func(more int) error) ([]byte, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	if n > uint64(max) {
		return nil, fmt.Errorf("%w: %d bytes announced, at most %d allowed", ErrFrameTooLarge, n, max)
	}
	buf := make([]byte, 0, min(n, frameChunk))
	for have := 0; have < int(n); have = len(buf) {
		if have == cap(buf) {
			size := min(int(n), 2*have)
			if err := grow(size - have); err != nil {
				return nil, err
			}
			grown := make([]byte, have, size)
			copy(grown, buf)
			buf = grown
		}
		buf = buf[:cap(buf)]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return nil, noEOF(err)
		}
	}
	return buf, nil
}

func readLength(r io.ByteReader) (uint64, error) {
	var n uint64
	for shift := uint(0); ; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			if shift > 0 {
				err = noEOF(err)
			}
			return 0, err
		}
		if shift == 63 && b > 1 || b == 0 && shift > 0 {
			return 0, fmt.Errorf("%w: length is no minimal uvarint", ErrFrame)
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendLength appends the uvarint length prefix of a frame.
func appendLength(buf []byte, n int) []byte { return binary.AppendUvarint(buf, uint64(n)) }

// maxFrame is the longest frame that can be asked for.
const maxFrame = math.MaxInt32
