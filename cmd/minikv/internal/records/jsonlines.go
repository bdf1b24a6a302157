package records

import (
	"bufio"
	"bytes"
	"encoding/json"
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
		if err := unmarshal(b, &rec); err != nil {
			return admin.Record{}, l.line, &LineError{Line: l.line, Err: err}
		}
		return rec, l.line, nil
	}
}

// unmarshal differs from json.Unmarshal in its errors: those of the record's own decoder, which say what is wrong with it.
func unmarshal(b []byte, rec *admin.Record) error {
	if b[0] == '[' {
		return errors.New("a JSON array; give one record {\"key\": …, \"value\": …} per line (jq -c '.[]' makes that of an array)")
	}
	if !json.Valid(b) {
		var any json.RawMessage
		if err := json.Unmarshal(b, &any); err != nil {
			return errors.New("not JSON: " + err.Error())
		}
	}
	return rec.UnmarshalJSON(b)
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
