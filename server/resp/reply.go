package resp

import "strconv"

// What follows appends answers to what waits for the next write. Null, maps, sets and pushes look different in RESP3
// and in RESP2.

func (c *conn) simple(text string) {
	c.out = append(append(append(c.out, '+'), text...), '\r', '\n')
}

func (c *conn) ok() { c.out = append(c.out, "+OK\r\n"...) }

// fail answers with an error in its words, the class first.
func (c *conn) fail(words string) {
	c.out = append(append(append(c.out, '-'), oneLine(words)...), '\r', '\n')
}

func (c *conn) failWith(err error) { c.fail(wordsOf(err)) }

func (c *conn) int(n int64) { c.header(':', n) }

func (c *conn) header(kind byte, n int64) {
	c.out = strconv.AppendInt(append(c.out, kind), n, 10)
	c.out = append(c.out, '\r', '\n')
}

// Answers are written in parts of this size, a large value without a copy.
const (
	flushAt   = 64 << 10
	largeBulk = 32 << 10
)

func (c *conn) bulk(b []byte) {
	c.header('$', int64(len(b)))
	if len(b) >= largeBulk && !c.inLoop() {
		c.flushPart()
		c.write(b)
	} else {
		c.out = append(c.out, b...)
	}
	c.out = append(c.out, '\r', '\n')
	if len(c.out) >= flushAt {
		c.flushPart()
	}
}

func (c *conn) text(s string) {
	c.header('$', int64(len(s)))
	c.out = append(append(c.out, s...), '\r', '\n')
	if len(c.out) >= flushAt {
		c.flushPart()
	}
}

func (c *conn) null() {
	if c.resp3 {
		c.out = append(c.out, "_\r\n"...)
		return
	}
	c.out = append(c.out, "$-1\r\n"...)
}

// nullArray is the null where an array was to be.
func (c *conn) nullArray() {
	if c.resp3 {
		c.out = append(c.out, "_\r\n"...)
		return
	}
	c.out = append(c.out, "*-1\r\n"...)
}

// array begins an answer of n more.
func (c *conn) array(n int) { c.header('*', int64(n)) }

// mapOf begins an answer of n pairs.
func (c *conn) mapOf(n int) {
	if c.resp3 {
		c.header('%', int64(n))
		return
	}
	c.header('*', int64(2*n))
}

// set begins an answer of n more whose order means nothing.
func (c *conn) set(n int) {
	if c.resp3 {
		c.header('~', int64(n))
		return
	}
	c.array(n)
}

// verbatim is text for people.
func (c *conn) verbatim(s string) {
	if !c.resp3 {
		c.text(s)
		return
	}
	c.header('=', int64(len(s)+4))
	c.out = append(append(append(c.out, "txt:"...), s...), '\r', '\n')
}
