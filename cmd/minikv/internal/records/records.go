// Package records reads the files that `minikv import` takes: JSON lines and CSV, one [admin.Record] at a time, within bounded memory.
//
// A record that cannot be read is a [*LineError], which carries its line; the reader is then at the next record, unless the error is
// fatal. Errors of the file itself come as they are.
package records

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/minikv/minikv/server/admin"
)

// Format is the form of a file.
type Format string

// The formats. Detect decides by the name of the file, else by its first byte.
const (
	Detect    Format = ""
	JSONLines Format = "jsonl"
	CSV       Format = "csv"
)

// DefaultMaxRecord bounds one record, in bytes of the file. A value of 16 MiB in base64 takes 22 MiB.
const DefaultMaxRecord = 32 << 20

// Options of a [Reader]. The zero value detects the format and takes records up to [DefaultMaxRecord].
type Options struct {
	Format    Format
	Name      string // of the file, for detection; may be empty
	MaxRecord int    // bytes
}

// LineError says what is wrong with one record.
type LineError struct {
	Line  int  // where the record begins, from 1
	Fatal bool // the reader cannot find the next record
	Err   error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives what is wrong without the line.
func (e *LineError) Unwrap() error { return e.Err }

// ErrTooLong is the class of a record over the limit.
var ErrTooLong = errors.New("record too long")

func tooLong(max int) error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLong, max)
}

// Reader reads records. Not safe for concurrent use.
type Reader struct {
	format Format
	next   func() (admin.Record, int, error)
	notes  []string
}

// NewReader reads from r. The only errors are those of r, of an unknown format and of a CSV header.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	if o.MaxRecord <= 0 {
		o.MaxRecord = DefaultMaxRecord
	}
	br := bufio.NewReaderSize(r, 64<<10)
	if err := skipBOM(br); err != nil {
		return nil, err
	}
	format, err := detect(br, o)
	if err != nil {
		return nil, err
	}
	switch format {
	case JSONLines:
		l := &jsonLines{r: br, max: o.MaxRecord}
		return &Reader{format: format, next: l.next}, nil
	case CSV:
		c, err := newCSV(br, o.MaxRecord)
		if err != nil {
			return nil, err
		}
		return &Reader{format: format, next: c.next, notes: c.notes}, nil
	}
	return nil, fmt.Errorf("unknown format %q; use %s or %s", o.Format, JSONLines, CSV)
}

// Next gives the next record and the line it begins on; io.EOF after the last one.
func (r *Reader) Next() (admin.Record, int, error) { return r.next() }

// Format is what the file was taken for.
func (r *Reader) Format() Format { return r.format }

// Notes are what a person should know of how the file is read, such as columns that are ignored.
func (r *Reader) Notes() []string { return r.notes }

func detect(br *bufio.Reader, o Options) (Format, error) {
	if o.Format != Detect {
		return o.Format, nil
	}
	switch strings.ToLower(filepath.Ext(o.Name)) {
	case ".csv":
		return CSV, nil
	case ".jsonl", ".ndjson", ".json":
		return JSONLines, nil
	}
	// Peek as much as has arrived, so that a pipe that is slow to fill is not waited for.
	if _, err := br.Peek(1); err != nil && err != io.EOF {
		return "", err
	}
	head, err := br.Peek(br.Buffered())
	if err != nil {
		return "", err
	}
	if head = bytes.TrimLeft(head, " \t\r\n"); len(head) == 0 || head[0] == '{' || head[0] == '[' {
		return JSONLines, nil
	}
	return CSV, nil
}

func skipBOM(br *bufio.Reader) error {
	head, err := br.Peek(3)
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, err = br.Discard(3)
		return err
	}
	return nil
}
