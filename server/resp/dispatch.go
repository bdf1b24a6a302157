package resp

import (
	"fmt"
	"strings"
	"unsafe"
)

// command runs the command that was read.
func (c *conn) command() {
	name := lower(c.room[:0], c.cmd.arg(0))
	c.runCommand(commands[string(name)], name)
}

func (c *conn) runCommand(sp *spec, name []byte) {
	c.s.stats.commands.Add(1)
	if sp == nil || !sp.isSet() {
		c.endRun()
	}
	c.begin()
	c.execute(sp, name)
}

// execute answers the command under way, whose name in lower case is given.
func (c *conn) execute(sp *spec, name []byte) {
	if sp == nil {
		c.unknown(name)
		return
	}
	if err := c.mayRun(sp); err != nil {
		c.endRun()
		c.failWith(err)
		return
	}
	c.info.command.Store(sp)
	sp.run(c)
}

func (c *conn) mayRun(sp *spec) error {
	switch {
	case !sp.takes(c.cmd.len()):
		return errArity(sp.name)
	case !c.authed && !sp.flags.has(open):
		return errNoAuth
	case c.cmd.tooLong > 0:
		return replyError(fmt.Sprintf("TOOLARGE an argument has %d bytes; values can have %d here, and keys 1,024", c.cmd.tooLong, c.s.cfg.MaxValue))
	case !c.resp3 && c.subs.count() > 0 && !sp.flags.has(subscribed):
		return replyError(fmt.Sprintf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", sp.name))
	}
	return nil
}

// takes says whether the number of words is right.
func (sp *spec) takes(words int) bool {
	if sp.arity < 0 {
		return words >= -sp.arity
	}
	return words == sp.arity
}

// isSet says whether a command may go on with a run of writes.
func (sp *spec) isSet() bool { return sp.group == "string" && len(sp.name) == 3 && sp.name[0] == 's' }

// unknown answers a command that is not served: as Redis does one it does not know, and one it knows with the
// reason.
func (c *conn) unknown(name []byte) {
	// A web page can make a browser send such a request to any address. None of its lines may count as a command.
	if n := string(name); n == "post" || n == "host:" {
		c.s.cfg.Logger.Warn("an HTTP request came to the address for Redis clients; the connection was closed", "from", c.remote)
		c.dead = true
		return
	}
	if !c.authed {
		c.failWith(errNoAuth)
		return
	}
	if why, ok := refused[string(name)]; ok {
		c.fail(fmt.Sprintf("ERR %s is not offered: %s", strings.ToUpper(string(name)), why))
		return
	}
	var args strings.Builder
	for i := 1; i < c.cmd.len() && args.Len() < 128; i++ {
		fmt.Fprintf(&args, "'%.*s' ", 128-args.Len(), asText(c.cmd.arg(i)))
	}
	c.fail(fmt.Sprintf("ERR unknown command '%.128s', with args beginning with: %s", asText(c.cmd.arg(0)), args.String()))
}

// asText is what C takes for the text: up to the first zero byte.
func asText(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	return text
}

// lower appends b in lower case.
func lower(dst, b []byte) []byte {
	for _, x := range b {
		if x >= 'A' && x <= 'Z' {
			x += 'a' - 'A'
		}
		dst = append(dst, x)
	}
	return dst
}

// is says whether an argument is a word, given in lower case.
func (c *conn) is(i int, word string) bool { return equalFold(c.cmd.arg(i), word) }

func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, x := range b {
		if x >= 'A' && x <= 'Z' {
			x += 'a' - 'A'
		}
		if x != word[i] {
			return false
		}
	}
	return true
}

// key is an argument as a key to look up. It shares the reader's memory, so nobody may keep it beyond the command:
// look-ups do not.
func (c *conn) key(i int) string {
	b := c.cmd.arg(i)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// text is a copy of an argument.
func (c *conn) str(i int) string { return string(c.cmd.arg(i)) }

// number reads an argument as a whole number.
func (c *conn) number(i int) (int64, error) {
	n, ok := parseInt(c.cmd.arg(i))
	if !ok {
		return 0, errNotInteger
	}
	return n, nil
}
