package resp

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

var serverCommands = []spec{
	{"info", -1, about | quick, "server", noKeys, "About the server, in lines", (*conn).infoCommand},
	{"config", -2, about | quick, "server", noKeys, "GET settings; they are set where the node is started", (*conn).config},
	{"command", -1, about | quick, "server", noKeys, "About the commands", (*conn).commandCommand},
	{"time", 1, quick, "server", noKeys, "The node's clock, in seconds and microseconds", (*conn).time},
}

func (c *conn) time() {
	now := time.Now().UnixMicro()
	c.array(2)
	c.text(itoa(now / 1_000_000))
	c.text(itoa(now % 1_000_000))
}

// notifyFlags are those of notify-keyspace-events that hold, always: both kinds of channels, and events of
// generic commands, of strings, and of expiry.
const notifyFlags = "KEg$x"

// settings are what CONFIG GET tells.
func (c *conn) settings() map[string]string {
	cfg := &c.s.cfg
	return map[string]string{
		"maxclients":             itoa(cfg.MaxClients),
		"timeout":                itoa(int64(cfg.IdleTimeout.Seconds())),
		"databases":              itoa(MaxDatabases),
		"maxmemory":              "0",
		"maxmemory-policy":       "noeviction",
		"save":                   "",
		"appendonly":             "no",
		"proto-max-bulk-len":     itoa(cfg.MaxValue),
		"notify-keyspace-events": notifyFlags,
	}
}

func (c *conn) config() {
	switch {
	case c.is(1, "get") && c.cmd.len() > 2:
		c.configGet()
	case c.is(1, "get"):
		c.failWith(errArity("config|get"))
	case c.is(1, "set") && c.cmd.len() == 4 && c.is(2, "notify-keyspace-events") && subset(c.str(3), notifyFlags):
		c.ok() // what is asked for is so already
	case c.is(1, "set") && c.cmd.len() == 4 && c.is(2, "notify-keyspace-events"):
		c.fail(fmt.Sprintf("ERR CONFIG SET failed - notify-keyspace-events is %s here, always: there are no other events", notifyFlags))
	case c.is(1, "help") && c.cmd.len() == 2:
		c.help("config")
	case c.is(1, "set"), c.is(1, "rewrite"), c.is(1, "resetstat"):
		c.fail(fmt.Sprintf("ERR CONFIG %s is not offered: settings are made where the node is started, see minikv serve --help", strings.ToUpper(c.str(1))))
	default:
		c.unknownSub("CONFIG")
	}
}

func subset(asked, have string) bool {
	return strings.Trim(asked, have) == ""
}

func (c *conn) configGet() {
	all := c.settings()
	var names []string
	for name := range all {
		for i := 2; i < c.cmd.len(); i++ {
			if glob(string(lower(nil, c.cmd.arg(i))), name) {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	c.mapOf(len(names))
	for _, name := range names {
		c.text(name)
		c.text(all[name])
	}
}

func (c *conn) commandCommand() {
	switch {
	case c.cmd.len() == 1:
		c.commandInfo(commandNames())
	case c.is(1, "count") && c.cmd.len() == 2:
		c.int(int64(len(commands)))
	case c.is(1, "list") && c.cmd.len() == 2:
		names := commandNames()
		c.array(len(names))
		for _, name := range names {
			c.text(name)
		}
	case c.is(1, "info") && c.cmd.len() == 2:
		c.commandInfo(commandNames())
	case c.is(1, "info"):
		c.commandInfo(c.namesFrom(2))
	case c.is(1, "docs"):
		c.commandDocs(c.namesFrom(2))
	case c.is(1, "help") && c.cmd.len() == 2:
		c.help("command")
	case c.is(1, "count"), c.is(1, "list"):
		c.failWith(errArity("command|" + string(lower(nil, c.cmd.arg(1)))))
	default:
		c.unknownSub("COMMAND")
	}
}

func (c *conn) namesFrom(i int) (names []string) {
	for ; i < c.cmd.len(); i++ {
		names = append(names, string(lower(nil, c.cmd.arg(i))))
	}
	return names
}

// commandInfo describes commands the way Redis does: name, arity, flags, keys, and four lists that are empty here.
func (c *conn) commandInfo(names []string) {
	c.array(len(names))
	for _, name := range names {
		sp := commands[name]
		if sp == nil {
			c.nullArray()
			continue
		}
		c.array(10)
		c.text(sp.name)
		c.int(int64(sp.arity))
		flags := sp.flags.names()
		c.set(len(flags))
		for _, f := range flags {
			c.simple(f)
		}
		for _, k := range sp.keys {
			c.int(int64(k))
		}
		for range 4 { // categories, tips, key specifications, subcommands
			c.set(0)
		}
	}
}

func (f flags) names() (names []string) {
	for _, n := range []struct {
		flag flags
		name string
	}{{writes, "write"}, {reads, "readonly"}, {about, "admin"}, {open, "no_auth"}, {subscribed, "pubsub"}} {
		if f.has(n.flag) {
			names = append(names, n.name)
		}
	}
	return names
}

func (c *conn) commandDocs(names []string) {
	if len(names) == 0 {
		names = commandNames()
	}
	names = slices.DeleteFunc(names, func(n string) bool { return commands[n] == nil })
	c.mapOf(len(names))
	for _, name := range names {
		c.docsOf(commands[name])
	}
}

// portOf is the port of an address, if it has one.
func portOf(a net.Addr) (int, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return 0, false
	}
	return tcp.Port, true
}
