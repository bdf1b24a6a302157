package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// A saved store is a stream: "mkvsave" and the version, 1, one byte; then frames
// of a kind, 1, the length of what they hold, 4, that, and the CRC-32C of all
// this, 4. Numbers are big endian.
//
//	s  ceiling of the clock, 8
//	r  a registry: length of its name as a varint, name, what its owner says of it
//	c  its state, as in the head of a checkpoint, and the root of its digest, 16
//	e  records, each behind its length as a varint, in the order of kinds and keys
//	z  the end: number of frames before, 8; SHA-256 of all bytes before this frame, 32
//
// Indexes and the digest tree are left out: they come of the records.
const (
	saveMagic   = "mkvsave"
	saveVersion = 1

	frameStore    = 's'
	frameRegistry = 'r'
	frameState    = 'c'
	frameRecords  = 'e'
	frameEnd      = 'z'

	// maxFrame is how much a frame may hold: the largest record, and some.
	maxFrame = 64 << 20
	// frameRoom is how many bytes of records are put into one frame.
	frameRoom = 256 << 10
)

// frameWriter writes frames.
type frameWriter struct {
	w      io.Writer
	sum    hash.Hash
	frames uint64
	buf    []byte
}

func newFrameWriter(w io.Writer) (*frameWriter, error) {
	f := &frameWriter{sum: sha256.New()}
	f.w = io.MultiWriter(w, f.sum)
	_, err := f.w.Write(append([]byte(saveMagic), saveVersion))
	return f, err
}

func (f *frameWriter) write(kind byte, parts ...[]byte) error {
	f.buf = append(f.buf[:0], kind, 0, 0, 0, 0)
	for _, p := range parts {
		f.buf = append(f.buf, p...)
	}
	if len(f.buf)-5 > maxFrame {
		return fmt.Errorf("store: %d bytes are too many for a part of a saved store, %d are allowed", len(f.buf)-5, maxFrame)
	}
	binary.BigEndian.PutUint32(f.buf[1:], uint32(len(f.buf)-5))
	f.buf = binary.BigEndian.AppendUint32(f.buf, crc32.Checksum(f.buf, castagnoli))
	f.frames++
	_, err := f.w.Write(f.buf)
	return err
}

func (f *frameWriter) end() error {
	return f.write(frameEnd, binary.BigEndian.AppendUint64(nil, f.frames), f.sum.Sum(nil))
}

// frameReader reads frames. Its errors say where the stream is damaged.
type frameReader struct {
	r      io.Reader
	sum    hash.Hash
	at     int64 // bytes read
	frames uint64
	buf    bytes.Buffer
}

func newFrameReader(r io.Reader) (*frameReader, error) {
	f := &frameReader{r: r, sum: sha256.New()}
	head, err := f.read(len(saveMagic) + 1)
	switch {
	case err != nil:
		return nil, err
	case string(head[:len(saveMagic)]) != saveMagic:
		return nil, fmt.Errorf("%w: not a saved store", ErrFormat)
	case head[len(saveMagic)] != saveVersion:
		return nil, fmt.Errorf("%w: a saved store of version %d, this one knows %d; use the version of minikv that wrote it, or a later one", ErrFormat, head[len(saveMagic)], saveVersion)
	}
	f.sum.Write(head)
	return f, nil
}

// read returns the next n bytes, which are valid until the next call. It takes
// no more memory than there are bytes.
func (f *frameReader) read(n int) ([]byte, error) {
	f.buf.Reset()
	got, err := io.CopyN(&f.buf, f.r, int64(n))
	f.at += got
	if errors.Is(err, io.EOF) {
		return nil, f.damaged("it ends too early")
	}
	if err != nil {
		return nil, fmt.Errorf("store: reading a saved store, behind byte %d: %w", f.at, err)
	}
	return f.buf.Bytes(), nil
}

func (f *frameReader) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: the saved store, at byte %d: %s; use another copy", ErrCorrupt, f.at, fmt.Sprintf(format, args...))
}

// next returns the next frame, whose contents are valid until the call after. At
// the end kind is frameEnd, and all has been verified.
func (f *frameReader) next() (kind byte, data []byte, err error) {
	b, err := f.read(5)
	if err != nil {
		return 0, nil, err
	}
	head := [5]byte(b)
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, f.damaged("a part of %d bytes", n)
	}
	b, err = f.read(int(n) + 4)
	if err != nil {
		return 0, nil, err
	}
	data = b[:n]
	if crc := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, data); crc != binary.BigEndian.Uint32(b[n:]) {
		return 0, nil, f.damaged("a part failed its checksum")
	}
	if head[0] == frameEnd {
		return frameEnd, nil, f.checkEnd(data)
	}
	f.frames++
	f.sum.Write(head[:])
	f.sum.Write(b)
	return head[0], data, nil
}

func (f *frameReader) checkEnd(data []byte) error {
	if len(data) != 8+sha256.Size || binary.BigEndian.Uint64(data) != f.frames || !bytes.Equal(data[8:], f.sum.Sum(nil)) {
		return f.damaged("the end does not fit what was before")
	}
	if n, err := io.CopyN(io.Discard, f.r, 1); n != 0 || !errors.Is(err, io.EOF) {
		return f.damaged("there is more behind its end")
	}
	return nil
}
