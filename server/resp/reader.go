package resp

import (
	"bytes"
	"io"
)

// limits bound what a client may send. Lengths are in bytes.
type limits struct {
	args    int // of one command, its name included
	arg     int // longer ones are read past, and the command is answered with an error
	command int // all arguments of one command
}

const (
	maxInline    = 64 << 10  // length of a command without a header, and of a header
	maxAnnounced = 512 << 20 // of one argument; what is announced longer ends the connection
	firstBuffer  = 4 << 10
	manySmall    = 64       // fills that a large buffer was too large for
	readAhead    = 64 << 10 // how far the buffer grows for small commands in a row
	// Of a client that has not given the password yet.
	strangerArgs = 10
	strangerArg  = 16 << 10
)

// command is one command as it lies in the reader's buffer. It is good until the next call of fill.
type command struct {
	buf   []byte // from its first byte on
	spans []span
	// tooLong is the length of the first argument over the limit, zero if there is none. Of such ones only the
	// length is known; the command can only be refused.
	tooLong int
}

type span struct{ from, len uint32 }

func (c *command) len() int { return len(c.spans) }

// arg returns an argument, which must not be kept.
func (c *command) arg(i int) []byte {
	s := c.spans[i]
	return c.buf[s.from : s.from+s.len : s.from+s.len]
}

// reader splits what a client sends into commands. It goes on where it stopped when a command is not complete
// yet, and its memory follows the bytes received, not those announced.
type reader struct {
	max      limits
	stranger bool // the client has not said who it is

	buf       []byte
	start     int // of the command
	pos       int // parsed so far
	end       int // received so far
	spans     []span
	want      int // arguments still to come; -1: the command has not begun
	bulk      int // length of the argument under way; -1: its header has not come
	skip      int // bytes of it to read past
	tooLong   int
	argsBytes int
	received  uint64
	full      bool // the last fill left no room
	small     int  // fills in a row that took a small part of a large buffer
}

func newReader(max limits) *reader {
	return &reader{max: max, want: -1, bulk: -1}
}

// errProtocol says what is wrong with what a client sent. The connection cannot go on.
type errProtocol string

func (e errProtocol) Error() string { return "Protocol error: " + string(e) }

var errTooBigCommand = errProtocol("too big command")

// begun says whether a part of a command has arrived.
func (r *reader) begun() bool { return r.end > r.start || r.want >= 0 || r.skip > 0 }

// empty says whether all that has arrived was parsed.
func (r *reader) empty() bool { return r.pos == r.end }

// fill reads once. Commands returned before are good no more.
func (r *reader) fill(from io.Reader) (int, error) {
	r.makeRoom()
	n, err := from.Read(r.buf[r.end:])
	r.end += n
	r.received += uint64(n)
	r.full = r.end == len(r.buf)
	if n > len(r.buf)/16 {
		r.small = 0
	} else {
		r.small++
	}
	return n, err
}

// makeRoom moves what is parsed no further to the front, and gets a larger buffer if that does not do. It
// doubles, so a buffer is at most twice what was received, or firstBuffer.
func (r *reader) makeRoom() {
	if r.start == r.end {
		r.start, r.pos, r.end = 0, 0, 0
		switch {
		case len(r.buf) > readAhead, len(r.buf) > firstBuffer && r.small > manySmall:
			r.buf = nil // for a large command, or for many that came at once
		case r.full && len(r.buf) < readAhead:
			r.buf = make([]byte, 2*len(r.buf))
		}
	}
	switch {
	case r.buf == nil:
		r.buf = make([]byte, firstBuffer)
	case r.end < len(r.buf) && (r.start == 0 || len(r.buf)-r.end >= firstBuffer/4):
	case r.start >= len(r.buf)/2:
		r.move(r.buf)
	default:
		r.move(make([]byte, 2*len(r.buf)))
	}
}

func (r *reader) move(to []byte) {
	n := copy(to, r.buf[r.start:r.end])
	r.pos -= r.start
	r.buf, r.start, r.end = to, 0, n
}

// next returns the next command, ok is false until all of it has arrived. Its error is an errProtocol.
func (r *reader) next(c *command) (ok bool, err error) {
	for {
		if r.want < 0 {
			begun, err := r.begin()
			if err != nil || !begun {
				return false, err
			}
			if r.want < 0 && len(r.spans) == 0 {
				continue // an empty line, or an empty array
			}
		}
		for r.want > 0 {
			if done, err := r.argument(); err != nil || !done {
				return false, err
			}
			r.want--
		}
		r.finish(c)
		return true, nil
	}
}

// finish hands the command out and gets ready for the next one.
func (r *reader) finish(c *command) {
	*c = command{buf: r.buf[r.start:r.pos:r.pos], spans: r.spans, tooLong: r.tooLong}
	r.start, r.want, r.tooLong, r.argsBytes = r.pos, -1, 0, 0
}

// begin reads the first line of a command.
func (r *reader) begin() (begun bool, err error) {
	r.start = r.pos
	if cap(r.spans) > 4096 {
		r.spans = nil
	}
	r.spans = r.spans[:0]
	if r.pos == r.end {
		return false, nil
	}
	if r.buf[r.pos] != '*' {
		return r.inline()
	}
	line, ok := r.line()
	if !ok {
		return false, r.tooLongLine("too big mbulk count string")
	}
	n, ok := parseInt(line[1:])
	switch {
	case !ok || n > int64(r.max.args):
		return false, errProtocol("invalid multibulk length")
	case r.stranger && n > strangerArgs:
		return false, errProtocol("unauthenticated multibulk length")
	case n > 0:
		r.want = int(n)
	}
	return true, nil
}

// line returns the next line without its end.
func (r *reader) line() (line []byte, ok bool) {
	rest := r.buf[r.pos:r.end]
	i := bytes.IndexByte(rest[:min(len(rest), maxInline+2)], '\n')
	if i < 0 {
		return nil, false
	}
	r.pos += i + 1
	return bytes.TrimSuffix(rest[:i], []byte("\r")), true
}

// tooLongLine is nil where the line may still come to an end.
func (r *reader) tooLongLine(text string) error {
	if r.end-r.pos >= maxInline {
		return errProtocol(text)
	}
	return nil
}

// argument reads one argument; done is false until all of it has arrived.
func (r *reader) argument() (done bool, err error) {
	if r.bulk < 0 {
		if ok, err := r.header(); err != nil || !ok {
			return false, err
		}
	}
	if r.skip > 0 && !r.readPast() {
		return false, nil
	}
	if r.end-r.pos < r.bulk+2 {
		return false, nil
	}
	if r.buf[r.pos+r.bulk] != '\r' || r.buf[r.pos+r.bulk+1] != '\n' {
		return false, errProtocol("expected the end of a line after an argument")
	}
	r.spans = append(r.spans, span{uint32(r.pos - r.start), uint32(r.bulk)})
	r.pos += r.bulk + 2
	r.bulk = -1
	return true, nil
}

// header reads the length of an argument.
func (r *reader) header() (ok bool, err error) {
	if r.pos == r.end {
		return false, nil
	}
	if b := r.buf[r.pos]; b != '$' {
		return false, errProtocol("expected '$', got '" + printable(b) + "'")
	}
	line, ok := r.line()
	if !ok {
		return false, r.tooLongLine("too big bulk count string")
	}
	n, ok := parseInt(line[1:])
	switch {
	case !ok || n < 0 || n > maxAnnounced:
		return false, errProtocol("invalid bulk length")
	case r.stranger && n > strangerArg:
		return false, errProtocol("unauthenticated bulk length")
	}
	r.bulk = int(n)
	if r.bulk > r.max.arg {
		if r.tooLong == 0 {
			r.tooLong = r.bulk
		}
		r.bulk, r.skip = 0, r.bulk
		return true, nil
	}
	if r.argsBytes += r.bulk; r.argsBytes > r.max.command {
		return false, errTooBigCommand
	}
	return true, nil
}

// readPast drops what has come of an argument that is too long, and says whether that was all.
func (r *reader) readPast() bool {
	n := min(r.skip, r.end-r.pos)
	copy(r.buf[r.pos:], r.buf[r.pos+n:r.end])
	r.end -= n
	r.skip -= n
	return r.skip == 0
}

func printable(b byte) string {
	if b < 0x20 || b > 0x7e {
		return "?"
	}
	return string(rune(b))
}

// inline reads a command that is a line of words.
func (r *reader) inline() (begun bool, err error) {
	line, ok := r.line()
	if !ok {
		return false, r.tooLongLine("too big inline request")
	}
	if err := r.words(line); err != nil {
		return false, err
	}
	if r.stranger && len(r.spans) > strangerArgs {
		return false, errProtocol("unauthenticated multibulk length")
	}
	return true, nil
}

var errUnbalanced = errProtocol("unbalanced quotes in request")

// words splits a line, with which the command begins, and takes quotes and escapes away in place: words only
// get shorter.
func (r *reader) words(line []byte) error {
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return nil
		}
		if len(r.spans) == r.max.args {
			return errProtocol("invalid multibulk length")
		}
		from, to, next, ok := word(line, i)
		if !ok {
			return errUnbalanced
		}
		if to-from > r.max.arg && r.tooLong == 0 {
			r.tooLong = to - from
		}
		r.spans = append(r.spans, span{uint32(from), uint32(to - from)})
		i = next
	}
}

// word takes one word that begins at i, and returns where it lies and where the line goes on.
func word(line []byte, i int) (from, to, next int, ok bool) {
	from, to = i, i
	quote := byte(0)
	for i < len(line) {
		b := line[i]
		switch {
		case quote == 0 && isSpace(b):
			return from, to, i, true
		case quote == 0 && (b == '"' || b == '\''):
			quote = b
			i++
			continue
		case quote != 0 && b == quote:
			i++
			return from, to, i, i == len(line) || isSpace(line[i])
		case quote == '"' && b == '\\' && i+1 < len(line):
			line[to], i = unescape(line, i)
			to++
			continue
		case quote == '\'' && b == '\\' && i+1 < len(line) && line[i+1] == '\'':
			b = '\''
			i++
		}
		line[to] = b
		to++
		i++
	}
	return from, to, i, quote == 0
}

// unescape reads a backslash and what follows.
func unescape(line []byte, i int) (b byte, next int) {
	if i+3 < len(line) && line[i+1] == 'x' {
		if hi, lo := unhex(line[i+2]), unhex(line[i+3]); hi >= 0 && lo >= 0 {
			return byte(hi<<4 | lo), i + 4
		}
	}
	b = line[i+1]
	switch b {
	case 'n':
		b = '\n'
	case 'r':
		b = '\r'
	case 't':
		b = '\t'
	case 'b':
		b = '\b'
	case 'a':
		b = '\a'
	}
	return b, i + 2
}

func unhex(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' || b == 0 }
