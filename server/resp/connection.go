package resp

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

var connectionCommands = []spec{
	{"auth", -2, open | quick, "connection", noKeys, "Give the password", (*conn).auth},
	{"hello", -1, open | quick, "connection", noKeys, "Choose RESP2 or RESP3, and more in one step", (*conn).hello},
	{"ping", -1, subscribed | quick, "connection", noKeys, "Answers PONG, or what was said", (*conn).ping},
	{"echo", 2, quick, "connection", noKeys, "Answers what was said", (*conn).echo},
	{"quit", -1, open | subscribed | quick, "connection", noKeys, "Close the connection", (*conn).quit},
	{"reset", 1, open | subscribed, "connection", noKeys, "As if the connection were new", (*conn).reset},
	{"select", 2, quick, "connection", noKeys, "Choose a database, which is a registry", (*conn).selectDB},
	{"client", -2, about | quick, "connection", noKeys, "About this and other connections", (*conn).client},
}

// checkPassword compares in a time that tells nothing, also not of the length.
func (s *Server) checkPassword(given []byte) bool {
	want, got := sha256.Sum256([]byte(s.cfg.Password)), sha256.Sum256(given)
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// authenticate checks a user and a password; there is one user, called default.
func (c *conn) authenticate(user string, password []byte) error {
	right := c.s.checkPassword(password)
	switch {
	case user != "default":
		right = false
	case c.s.cfg.Password == "":
		right = true // the default user needs none
	}
	if !right {
		c.s.stats.badPasswords.Add(1)
		c.s.cfg.Logger.Warn("a Redis client gave a wrong password", "from", c.remote)
		return errWrongPass
	}
	c.greet(true)
	return nil
}

func (c *conn) auth() {
	var err error
	switch {
	case c.cmd.len() > 3:
		err = errSyntax
	case c.cmd.len() == 3:
		err = c.authenticate(c.str(1), c.cmd.arg(2))
	case c.s.cfg.Password == "":
		err = errNoPassword
	default:
		err = c.authenticate("default", c.cmd.arg(1))
	}
	if err != nil {
		c.failWith(err)
		return
	}
	c.ok()
}

// helloOptions are what HELLO asks for.
type helloOptions struct {
	proto    int64 // 0: as it is
	user     string
	password []byte // nil: none given
	name     []byte // nil: none given
}

func (c *conn) helloOptions() (o helloOptions, err error) {
	if c.cmd.len() == 1 {
		return o, nil
	}
	var ok bool
	if o.proto, ok = parseInt(c.cmd.arg(1)); !ok {
		return o, errProtoNumber
	}
	if o.proto < 2 || o.proto > 3 {
		return o, errProtoOther
	}
	for i := 2; i < c.cmd.len(); {
		switch more := c.cmd.len() - 1 - i; {
		case more >= 2 && c.is(i, "auth"):
			o.user, o.password = c.str(i+1), c.cmd.arg(i+2)
			i += 3
		case more >= 1 && c.is(i, "setname"):
			o.name = c.cmd.arg(i + 1)
			i += 2
		default:
			return o, replyError(fmt.Sprintf("ERR Syntax error in HELLO option '%s'", asText(c.cmd.arg(i))))
		}
	}
	return o, nil
}

func (c *conn) hello() {
	o, err := c.helloOptions()
	if err == nil && o.password != nil {
		err = c.authenticate(o.user, o.password)
	}
	if err == nil && !c.authed {
		err = replyError("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	}
	if err == nil && o.name != nil && !validName(o.name) {
		err = errClientName
	}
	if err != nil {
		c.failWith(err)
		return
	}
	if o.name != nil {
		c.info.setName(string(o.name))
	}
	if o.proto != 0 {
		c.setProto(o.proto == 3)
	}
	c.mapOf(7)
	c.text("server")
	c.text("minikv")
	c.text("version")
	c.text(redisVersion)
	c.text("proto")
	c.int(c.proto())
	c.text("id")
	c.int(int64(c.id))
	c.text("mode")
	c.text("standalone")
	c.text("role")
	c.text("master")
	c.text("modules")
	c.array(0)
}

func (c *conn) proto() int64 {
	if c.resp3 {
		return 3
	}
	return 2
}

func (c *conn) ping() {
	switch {
	case c.cmd.len() > 2:
		c.failWith(errArity("ping"))
	case !c.resp3 && c.subs.count() > 0:
		c.array(2)
		c.text("pong")
		if c.cmd.len() == 2 {
			c.bulk(c.cmd.arg(1))
		} else {
			c.text("")
		}
	case c.cmd.len() == 2:
		c.bulk(c.cmd.arg(1))
	default:
		c.simple("PONG")
	}
}

func (c *conn) echo() { c.bulk(c.cmd.arg(1)) }

func (c *conn) quit() {
	c.ok()
	c.leaving = true
}

// setProto chooses how nulls, maps and notifications look from here on.
func (c *conn) setProto(resp3 bool) {
	c.resp3 = resp3
	c.info.resp3.Store(resp3)
	if c.subs != nil {
		c.subs.resp3.Store(resp3)
	}
}

func (c *conn) reset() {
	if c.subs != nil {
		c.subs.clear()
	}
	c.setProto(false)
	c.useDB(c.s.dbs[0], 0)
	c.info.setName("")
	c.greet(c.s.cfg.Password == "")
	c.simple("RESET")
}

func (c *conn) selectDB() {
	n, err := c.number(1)
	if err == nil && (n < 0 || n >= MaxDatabases) {
		err = errDBRange
	}
	if err == nil && c.s.dbs[n] == nil {
		err = replyError(fmt.Sprintf("ERR DB index is out of range: database %d is no registry here; the node's operator says which one it is with --resp-db %d=NAME", n, n))
	}
	if err != nil {
		c.failWith(err)
		return
	}
	c.useDB(c.s.dbs[n], int(n))
	c.ok()
}

func (c *conn) useDB(d *database, n int) {
	c.db = d
	c.info.db.Store(int32(n))
}

// age is the age of the connection.
func (c *conn) age(now time.Time) time.Duration { return now.Sub(c.info.began) }
