package resp

import (
	"fmt"
	"math"
	"time"

	"github.com/minikv/minikv"
)

var lockCommands = []spec{
	{"lock", 3, writes, "lock", oneKey, "Take the lock on a key for milliseconds; answers its token", (*conn).lock},
	{"renew", 4, writes, "lock", oneKey, "Make a lock last for milliseconds from now; answers its token", (*conn).renew},
	{"unlock", 3, writes, "lock", oneKey, "Give a lock back", (*conn).unlock},
	{"under", -4, writes, "lock", noKeys, "Run a write under a lock, given its token", (*conn).under},
}

// leaseTTL reads how long a lock lasts.
func (c *conn) leaseTTL(i int) (minikv.TTL, error) {
	n, err := c.number(i)
	if err != nil {
		return 0, err
	}
	const lo, hi = int64(minikv.MinLeaseTTL / time.Millisecond), int64(minikv.MaxLeaseTTL / time.Millisecond)
	if n < lo || n > hi || n > math.MaxInt64/int64(time.Millisecond) {
		return 0, replyError(fmt.Sprintf("ERR a lock lasts %d to %d ms", lo, hi))
	}
	return minikv.TTL(time.Duration(n) * time.Millisecond), nil
}

// leased is the registry of a command about a lease whose words were read with err; nil when what is wrong was answered.
func (c *conn) leased(err error) *minikv.Registry {
	if err != nil {
		c.failWith(err)
		return nil
	}
	return c.registry()
}

func (c *conn) tokenAt(i int) (minikv.Token, error) {
	t, err := minikv.ParseToken(c.str(i))
	if err != nil || t.IsZero() {
		return t, replyError("ERR a token has 48 hexadecimal digits, as LOCK answers it")
	}
	return t, nil
}

// lock takes a lease that is not renewed by itself: it belongs to whoever has the token, not to the connection.
func (c *conn) lock() {
	ttl, err := c.leaseTTL(2)
	r := c.leased(err)
	if r == nil {
		return
	}
	l, err := r.TryLock(background, c.str(1), ttl, minikv.NoRenew())
	if err != nil {
		c.failed(r, err)
		return
	}
	c.text(l.Token().String())
}

func (c *conn) renew() {
	t, err := c.tokenAt(2)
	var ttl minikv.TTL
	if err == nil {
		ttl, err = c.leaseTTL(3)
	}
	r := c.leased(err)
	if r == nil {
		return
	}
	if t, err = r.Renew(background, c.str(1), t, time.Duration(ttl)); err != nil {
		c.failed(r, err)
		return
	}
	c.text(t.String())
}

func (c *conn) unlock() {
	t, err := c.tokenAt(2)
	r := c.leased(err)
	if r == nil {
		return
	}
	if err := r.Unlock(background, c.str(1), t); err != nil {
		c.failed(r, err)
		return
	}
	c.int(1)
}

// under runs the command behind the token under the lock. There is no such state of a connection, which a pool of
// connections would spread.
func (c *conn) under() {
	t, err := c.tokenAt(1)
	if err != nil {
		c.failWith(err)
		return
	}
	name := lower(nil, c.cmd.arg(2))
	sp := commands[string(name)]
	if sp == nil || !sp.flags.has(under) {
		c.fail(fmt.Sprintf("ERR UNDER token takes a write of keys, as SET or DEL, not '%.128s'", asText(c.cmd.arg(2))))
		return
	}
	c.cmd.spans = c.cmd.spans[2:]
	c.token = t
	defer func() { c.token = minikv.Token{} }()
	c.execute(sp, name)
}
