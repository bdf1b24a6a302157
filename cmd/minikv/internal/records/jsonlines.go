package records

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/minikv/minikv/server/admin"
)

// jsonLines reads one JSON record per line. Empty lines are skipped.
type jsonLines struct {
	r    *bufio.Reader
	max  int
	line int
	buf  []byte
}

var errArray = errors.New("a JSON array; give one record {\"key\": …, \"value\": …} per line (jq -c '.[]' makes that of an array)")

func (l *jsonLines) next() (admin.Record, int, error) {
	for {
		l.line++
		b, err := l.read()
		if errors.Is(err, ErrTooLong) {
			return admin.Record{}, l.line, &LineError{Line: l.line, Err: err}
		}
		if err != nil && (err != io.EOF || len(b) == 0) {
			return admin.Record{}, l.line, err
		}
		if b = bytes.TrimSpace(b); len(b) == 0 {
			continue
		}
		var rec admin.Record
		if b[0] == '[' {
			err = errArray
		} else {
			err = rec.UnmarshalJSON(b) // json.Unmarshal would put words of its own around what is wrong
		}
		if err != nil {
			return admin.Record{}, l.line, &LineError{Line: l.line, Err: err}
		}
		return rec, l.line, nil
	}
}

// read gives one line, valid until the next call. A line over the limit is read to its end and dropped.
func (l *jsonLines) read() ([]byte, error) {
	l.buf = l.buf[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		if long = long || len(l.buf)+len(part) > l.max; !long {
			l.buf = append(l.buf, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if long && (err == nil || err == io.EOF) {
			return nil, tooLong(l.max)
		}
		return l.buf, err
	}
}
