package records

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/minikv/minikv/server/admin"
)

// csvRows reads CSV (RFC 4180) whose first row names the columns: key and value, and ttl if there is one. An empty ttl is none.
type csvRows struct {
	r               *csv.Reader
	gate            *gate
	key, value, ttl int // columns; ttl is -1 if there is none
	line            int // where the next record begins, blank lines aside
	notes           []string
}

const (
	csvBuffer = 4 << 10 // what csv.Reader's own buffer may read ahead
	// maxCSVRecord is below what JSON lines may have, since csv.Reader keeps some 40 bytes for each comma of a record.
	maxCSVRecord = 4 << 20
)

// maxColumns bounds the header: a row of nothing but commas would make millions of fields.
const maxColumns = 1000

func newCSV(r io.Reader, max int) (*csvRows, error) {
	g := &gate{r: r, max: min(max, maxCSVRecord)}
	c := &csvRows{r: csv.NewReader(g), gate: g, line: 1}
	c.r.ReuseRecord = true
	g.refill()
	header, err := c.r.Read()
	if err == io.EOF {
		return nil, errors.New("the file is empty; CSV begins with a header naming the columns key and value")
	}
	if err != nil {
		return nil, c.lineError(err)
	}
	c.passed(header)
	if len(header) > maxColumns {
		return nil, fmt.Errorf("line 1: %d columns; at most %d", len(header), maxColumns)
	}
	return c, c.readHeader(header)
}

func (c *csvRows) readHeader(header []string) error {
	names := make([]string, len(header))
	var ignored []string
	for i, h := range header {
		names[i] = strings.ToLower(strings.TrimSpace(h))
		if slices.Contains(names[:i], names[i]) && slices.Contains([]string{"key", "value", "ttl"}, names[i]) {
			return fmt.Errorf("line 1: the column %s is there twice", names[i])
		}
		if !slices.Contains([]string{"key", "value", "ttl"}, names[i]) {
			ignored = append(ignored, fmt.Sprintf("%q", h))
		}
	}
	c.key, c.value, c.ttl = slices.Index(names, "key"), slices.Index(names, "value"), slices.Index(names, "ttl")
	if c.key < 0 || c.value < 0 {
		return fmt.Errorf("line 1: CSV begins with a header naming the columns key and value (and ttl if wanted), this one is %.80q", strings.Join(header, ","))
	}
	if ignored != nil {
		c.notes = append(c.notes, "columns ignored: "+strings.Join(ignored, ", "))
	}
	return nil
}

func (c *csvRows) next() (admin.Record, int, error) {
	c.gate.refill()
	row, err := c.r.Read()
	if err == io.EOF {
		return admin.Record{}, 0, err
	}
	if err != nil {
		err = c.lineError(err)
		return admin.Record{}, lineOf(err), err
	}
	line, _ := c.r.FieldPos(0)
	c.passed(row)
	rec, err := c.record(row)
	if err != nil {
		err = &LineError{Line: line, Err: err}
	}
	return rec, line, err
}

// passed notes where the record after row begins.
func (c *csvRows) passed(row []string) {
	last := len(row) - 1
	line, _ := c.r.FieldPos(last)
	c.line = line + strings.Count(row[last], "\n") + 1
}

func lineOf(err error) int {
	var le *LineError
	if errors.As(err, &le) {
		return le.Line
	}
	return 0
}

func (c *csvRows) record(row []string) (admin.Record, error) {
	rec := admin.Record{Key: strings.Clone(row[c.key]), Value: []byte(row[c.value])}
	if rec.Key == "" {
		return rec, errors.New("no key, or an empty one")
	}
	if !utf8.ValidString(rec.Key) || !utf8.Valid(rec.Value) {
		return rec, errors.New("not UTF-8; use JSON lines with key_base64 or value_base64 for such bytes")
	}
	if c.ttl < 0 || strings.TrimSpace(row[c.ttl]) == "" {
		return rec, nil
	}
	ttl, err := time.ParseDuration(strings.TrimSpace(row[c.ttl]))
	if err != nil {
		return rec, fmt.Errorf("ttl %q is no duration; write it as in 5s, 1m30s or 24h", row[c.ttl])
	}
	if ttl <= 0 {
		return rec, fmt.Errorf("ttl %s is not positive", ttl)
	}
	rec.TTL = ttl
	return rec, nil
}

// lineError makes a LineError of what csv.Reader says, if it is about a record.
func (c *csvRows) lineError(err error) error {
	if errors.Is(err, ErrTooLong) {
		// The reader stopped inside the record, most likely at a quote that is never closed: there is no telling where the next begins.
		return &LineError{Line: c.line, Fatal: true, Err: fmt.Errorf("%w; is a quote not closed?", tooLong(c.gate.max))}
	}
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		c.line = pe.Line + 1
		return &LineError{Line: pe.StartLine, Err: pe.Err}
	}
	return err
}

// gate lets csv.Reader, which has no limit of its own, read so many bytes per record.
type gate struct {
	r    io.Reader
	max  int
	left int
}

func (g *gate) refill() { g.left = g.max + csvBuffer }

func (g *gate) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, ErrTooLong
	}
	if len(p) > g.left {
		p = p[:g.left]
	}
	n, err := g.r.Read(p)
	g.left -= n
	return n, err
}
