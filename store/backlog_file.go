package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/lwwmap"
)

// spill is a queue of records in a scratch file. Nothing of it outlives the
// process; what fails is told to the owner, who can do without.
//
// The file has chunks, each the records of some seqs: length, as a varint, and
// packed record; length zero where there is none. Their sums are in memory.
type spill struct {
	fs     vfs.FS
	path   string
	max    int64 // bytes
	file   vfs.File
	chunks []chunk
	end    int64 // of the last chunk
	buf    []byte
}

type chunk struct {
	at    int64
	bytes int
	recs  int
	sum   uint32
}

const (
	spillName  = "minikv.unsent."
	spillBytes = 1 << 30
)

var errSpill = errors.New("the scratch file is full or damaged")

func (q *spill) isEmpty() bool { return len(q.chunks) == 0 }

// add adds a chunk.
func (q *spill) add(recs []lwwmap.Record) (err error) {
	q.buf = q.buf[:0]
	for _, r := range recs {
		if r.IsZero() {
			q.buf = append(q.buf, 0)
			continue
		}
		q.buf = append(binary.AppendUvarint(q.buf, uint64(r.Size())), r.Packed()...)
	}
	if q.isEmpty() {
		q.end = 0
	}
	if q.end+int64(len(q.buf)) > q.max {
		return errSpill
	}
	if q.file == nil {
		if q.file, err = q.fs.OpenReadWrite(q.path, vfs.WriteCategoryUnspecified); err != nil {
			return err
		}
	}
	if _, err := q.file.WriteAt(q.buf, q.end); err != nil {
		return err
	}
	q.chunks = append(q.chunks, chunk{q.end, len(q.buf), len(recs), crc32.Checksum(q.buf, castagnoli)})
	q.end += int64(len(q.buf))
	return nil
}

// next takes the first chunk out.
func (q *spill) next() ([]lwwmap.Record, error) {
	c := q.chunks[0]
	q.chunks = q.chunks[1:]
	b := make([]byte, c.bytes) // the records keep it
	if _, err := q.file.ReadAt(b, c.at); err != nil {
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != c.sum {
		return nil, errSpill
	}
	recs := make([]lwwmap.Record, 0, c.recs)
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		b = b[n:]
		if size == 0 {
			recs = append(recs, lwwmap.Record{})
			continue
		}
		r, err := lwwmap.ParseRecord(b[:size:size])
		if err != nil {
			return nil, err
		}
		recs, b = append(recs, r), b[size:]
	}
	return recs, nil
}

// drop takes the file out.
func (q *spill) drop() {
	q.chunks, q.end, q.buf = nil, 0, nil
	if q.file == nil {
		return
	}
	_ = q.file.Close() // nothing in it is needed
	_ = q.fs.Remove(q.path)
	q.file = nil
}

// removeSpills takes out what a crash has left.
func (s *Store) removeSpills() error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, spillName) {
			if err := s.fs.Remove(s.fs.PathJoin(s.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
