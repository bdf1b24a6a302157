package resp

import (
	"io"

	"github.com/minikv/minikv"
)

// Settle puts something else in the place of waiting for the disk. To be called before clients come, of a server
// without loops: none of what they serve waits.
func (s *Server) Settle(fn func(*minikv.Registry) error) { s.settle = fn }

// Loops sets how many loops serve the clients. To be called before Serve.
func (s *Server) Loops(n int) { s.loops = newLoops(s, n) }

// Reader is the reader of commands, for tests.
type Reader struct {
	r *reader
	c command
}

// NewReader returns one with the limits of a server with default values.
func NewReader(stranger bool) *Reader {
	cfg, err := Config{}.validate()
	if err != nil {
		panic(err)
	}
	r := newReader(cfg.limits())
	r.stranger = stranger
	return &Reader{r: r}
}

// Fill reads once.
func (r *Reader) Fill(from io.Reader) (int, error) { return r.r.fill(from) }

// Next returns the words of the next command, ok is false when more is needed.
func (r *Reader) Next() (words []string, tooLong int, ok bool, err error) {
	ok, err = r.r.next(&r.c)
	if !ok || err != nil {
		return nil, 0, false, err
	}
	for i := range r.c.len() {
		words = append(words, string(r.c.arg(i)))
	}
	return words, r.c.tooLong, true, nil
}

// Memory is what the reader holds, in bytes.
func (r *Reader) Memory() int { return cap(r.r.buf) + 8*cap(r.r.spans) }

// Glob is the matching of patterns.
func Glob(pattern, text string) bool { return glob(pattern, text) }

// LiteralPrefix is what all that a pattern matches begins with.
func LiteralPrefix(pattern string) (string, bool) { return literalPrefix(pattern) }

// ParseInt reads a number as Redis does.
func ParseInt(b []byte) (int64, bool) { return parseInt(b) }

// SpecNames are the names of the commands served, RefusedNames of those that are not.
func SpecNames() []string { return commandNames() }

// Refused are the commands of Redis that are not offered, each with the reason.
func Refused() map[string]string { return refused }

// InLoops is the number of connections that loops serve.
func (s *Server) InLoops() (n int) {
	for _, l := range s.loops {
		n += l.len()
	}
	return n
}
