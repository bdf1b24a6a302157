package resp

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// clientInfo is what other connections may see of one.
type clientInfo struct {
	began      time.Time // does not change
	db         atomic.Int32
	resp3      atomic.Bool
	subscribed atomic.Bool
	stranger   atomic.Bool          // has not given the password yet
	command    atomic.Pointer[spec] // the last one

	mu              sync.Mutex
	name            string
	libName, libVer string
}

func (i *clientInfo) setName(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.name = name
}

func (i *clientInfo) texts() (name, libName, libVer string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.name, i.libName, i.libVer
}

// maxName bounds the names that a connection gives itself.
const maxName = 1024

// validName refuses what would break the lines of CLIENT LIST.
func validName(b []byte) bool {
	for _, x := range b {
		if x < '!' || x > '~' {
			return false
		}
	}
	return len(b) <= maxName
}

// clientCommands are the subcommands of CLIENT, with their number of words.
var clientCommands = map[string]struct {
	arity int
	run   func(*conn)
}{
	"id":      {2, func(c *conn) { c.int(int64(c.id)) }},
	"getname": {2, (*conn).clientGetName},
	"setname": {3, (*conn).clientSetName},
	"setinfo": {4, (*conn).clientSetInfo},
	"info":    {2, func(c *conn) { c.verbatim(c.describe(time.Now())) }},
	"list":    {-2, (*conn).clientList},
	"help":    {2, func(c *conn) { c.help("client") }},
}

// subcommand finds and runs one.
func (c *conn) client() {
	name := string(lower(nil, c.cmd.arg(1)))
	sub, ok := clientCommands[name]
	switch {
	case !ok:
		c.unknownSub("CLIENT")
	case sub.arity > 0 && c.cmd.len() != sub.arity || c.cmd.len() < -sub.arity:
		c.failWith(errArity("client|" + name))
	default:
		sub.run(c)
	}
}

func (c *conn) unknownSub(command string) {
	c.fail(fmt.Sprintf("ERR unknown subcommand '%.128s'. Try %s HELP.", asText(c.cmd.arg(1)), command))
}

func (c *conn) clientGetName() {
	name, _, _ := c.info.texts()
	if name == "" {
		c.null()
		return
	}
	c.text(name)
}

func (c *conn) clientSetName() {
	if !validName(c.cmd.arg(2)) {
		c.failWith(errClientName)
		return
	}
	c.info.setName(c.str(2))
	c.ok()
}

func (c *conn) clientSetInfo() {
	value := c.cmd.arg(3)
	if !validName(value) {
		c.fail(fmt.Sprintf("ERR %s cannot contain spaces, newlines or special characters.", asText(c.cmd.arg(2))))
		return
	}
	c.info.mu.Lock()
	defer c.info.mu.Unlock()
	switch {
	case c.is(2, "lib-name"):
		c.info.libName = string(value)
	case c.is(2, "lib-ver"):
		c.info.libVer = string(value)
	default:
		c.fail(fmt.Sprintf("ERR Unrecognized option '%s'", asText(c.cmd.arg(2))))
		return
	}
	c.ok()
}

// clientList describes all connections, or those that are asked for.
func (c *conn) clientList() {
	want := func(*conn) bool { return true }
	switch {
	case c.cmd.len() == 2:
	case c.cmd.len() == 4 && c.is(2, "type"):
		kind := string(lower(nil, c.cmd.arg(3)))
		if kind != "normal" && kind != "pubsub" && kind != "master" && kind != "replica" && kind != "slave" {
			c.fail(fmt.Sprintf("ERR Unknown client type '%s'", asText(c.cmd.arg(3))))
			return
		}
		want = func(o *conn) bool { return o.kind() == kind }
	case c.cmd.len() > 3 && c.is(2, "id"):
		ids := map[uint64]bool{}
		for i := 3; i < c.cmd.len(); i++ {
			n, ok := parseInt(c.cmd.arg(i))
			if !ok || n < 1 {
				c.fail("ERR Invalid client ID")
				return
			}
			ids[uint64(n)] = true
		}
		want = func(o *conn) bool { return ids[o.id] }
	default:
		c.failWith(errSyntax)
		return
	}
	var b strings.Builder
	now := time.Now()
	for _, o := range c.s.clients() {
		if want(o) {
			b.WriteString(o.describe(now))
		}
	}
	c.verbatim(b.String())
}

func (c *conn) kind() string {
	if c.info.subscribed.Load() {
		return "pubsub"
	}
	return "normal"
}

// describe is the line of CLIENT LIST. It has those of Redis's fields of which there is something to tell, and those that
// clients read as numbers whether they are there or not (redis-py), which are zero.
func (c *conn) describe(now time.Time) string {
	name, libName, libVer := c.info.texts()
	flags, proto := "N", 2
	if c.info.subscribed.Load() {
		flags = "P"
	}
	if c.info.resp3.Load() {
		proto = 3
	}
	command := "NULL"
	if sp := c.info.command.Load(); sp != nil {
		command = sp.name
	}
	subs, patterns := c.shared.Load().counts()
	return fmt.Sprintf("id=%d addr=%s laddr=%s name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=%s user=default redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
		c.id, address(c.remote.String()), address(c.local.String()), name, int64(c.age(now).Seconds()), c.idleSeconds(), flags,
		c.info.db.Load(), subs, patterns, command, proto, libName, libVer)
}

// address is that of a peer; a client on a unix socket has none.
func address(text string) string {
	if text == "" || text == "@" {
		return "unix:0"
	}
	return strings.ReplaceAll(text, " ", "_")
}

func (c *conn) idleSeconds() int64 {
	if c.what.Load() != idle {
		return 0
	}
	return int64((time.Duration(c.s.tick.Load()-c.since.Load()) * c.s.sweepEvery()).Seconds())
}

// number of a text, for INFO.
func itoa[T ~int | ~int64 | ~uint64](n T) string { return strconv.FormatInt(int64(n), 10) }
