package resp

import "strings"

// syntax says what follows the name of a command, for COMMAND DOCS: redis-cli's help and hints come from there.
// Brackets are around what may be left out, dots behind what may come several times; capitals are words of the command.
var syntax = map[string]string{
	"auth": "[username] password", "hello": "[protover] [AUTH username password] [SETNAME clientname]", "ping": "[message]", "echo": "message",
	"quit": "", "reset": "", "select": "index", "client": "subcommand [argument ...]",
	"info": "[section ...]", "config": "subcommand [argument ...]", "command": "[subcommand] [argument ...]", "time": "",
	"get": "key", "getdel": "key", "getset": "key value", "mget": "key ...", "mset": "key value ...", "strlen": "key",
	"getex": "key [EX seconds] [PX milliseconds] [EXAT unix-time-seconds] [PXAT unix-time-milliseconds] [PERSIST]",
	"set":   "key value [GET] [EX seconds] [PX milliseconds] [EXAT unix-time-seconds] [PXAT unix-time-milliseconds] [KEEPTTL]",
	"setex": "key seconds value", "psetex": "key milliseconds value",
	"del": "key ...", "unlink": "key ...", "exists": "key ...", "touch": "key ...", "type": "key", "keys": "pattern",
	"scan": "cursor [MATCH pattern] [COUNT count] [TYPE type]", "randomkey": "", "dbsize": "", "flushdb": "[ASYNC] [SYNC]", "flushall": "[ASYNC] [SYNC]",
	"expire": "key seconds [NX] [XX] [GT] [LT]", "pexpire": "key milliseconds [NX] [XX] [GT] [LT]",
	"expireat": "key unix-time-seconds [NX] [XX] [GT] [LT]", "pexpireat": "key unix-time-milliseconds [NX] [XX] [GT] [LT]",
	"ttl": "key", "pttl": "key", "expiretime": "key", "pexpiretime": "key", "persist": "key",
	"subscribe": "channel ...", "psubscribe": "pattern ...", "unsubscribe": "[channel ...]", "punsubscribe": "[pattern ...]",
	"lock": "key milliseconds", "renew": "key token milliseconds", "unlock": "key token", "under": "token command [argument ...]",
}

// argument is one of a command's.
type argument struct {
	name, token        string // token: the word that is written in front of it, or alone
	optional, multiple bool
}

// arguments takes the syntax of a command apart.
func arguments(of string) (all []argument) {
	for rest := strings.TrimSpace(syntax[of]); rest != ""; {
		var part string
		optional := rest[0] == '['
		if optional {
			part, rest, _ = strings.Cut(rest[1:], "]")
		} else {
			part, rest, _ = strings.Cut(rest, " ")
		}
		rest = strings.TrimSpace(rest)
		if part == "..." { // the ones before it, each time
			all[len(all)-1].multiple = true
			continue
		}
		words := strings.Fields(part)
		a := argument{optional: optional, multiple: words[len(words)-1] == "..."}
		if a.multiple {
			words = words[:len(words)-1]
		}
		if words[0] == strings.ToUpper(words[0]) {
			a.token, words = words[0], words[1:]
		}
		a.name = strings.Join(words, " ")
		all = append(all, a)
	}
	return all
}

// docsOf answers with what Redis's documentation has of a command.
func (c *conn) docsOf(sp *spec) {
	args := arguments(sp.name)
	c.text(sp.name)
	c.mapOf(2 + int(oneIf(len(args) > 0)))
	c.text("summary")
	c.text(sp.summary)
	c.text("group")
	c.text(sp.group)
	if len(args) == 0 {
		return
	}
	c.text("arguments")
	c.array(len(args))
	for _, a := range args {
		c.argument(a)
	}
}

func (c *conn) argument(a argument) {
	kind, name := "string", a.name
	if name == "" {
		kind, name = "pure-token", strings.ToLower(a.token)
	}
	flags := []string{}
	if a.optional {
		flags = append(flags, "optional")
	}
	if a.multiple {
		flags = append(flags, "multiple")
	}
	c.mapOf(2 + int(oneIf(a.token != "")+oneIf(len(flags) > 0)))
	c.text("name")
	c.text(name)
	c.text("type")
	c.text(kind)
	if a.token != "" {
		c.text("token")
		c.text(a.token)
	}
	if len(flags) > 0 {
		c.text("flags")
		c.set(len(flags))
		for _, f := range flags {
			c.simple(f)
		}
	}
}

// helps are the answers to HELP of the commands that have subcommands.
var helps = map[string][]string{
	"client": {
		"GETNAME", "    The name of this connection.", "ID", "    Its number.", "INFO", "    What LIST says of it.",
		"LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> ...]", "    All connections, a line each.",
		"SETINFO <option> <value>", "    Note the client's library: lib-name, lib-ver.", "SETNAME <name>", "    Give this connection a name.",
	},
	"config": {
		"GET <pattern> ...", "    Settings whose names match; they are set where the node is started.",
		"SET notify-keyspace-events <flags>", "    OK if notifications are so already, which they are for strings and expiry.",
	},
	"command": {
		"(no subcommand)", "    All commands.", "COUNT", "    How many there are.", "DOCS [<command> ...]", "    What they are for.",
		"INFO [<command> ...]", "    Their words, keys and flags.", "LIST", "    Their names.",
	},
}

// help answers HELP as Redis does.
func (c *conn) help(command string) {
	lines := helps[command]
	c.array(len(lines) + 3)
	c.simple(strings.ToUpper(command) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, l := range lines {
		c.simple(l)
	}
	c.simple("HELP")
	c.simple("    Print this help.")
}
