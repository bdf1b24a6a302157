package resp

import (
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv"
)

var expiryCommands = []spec{
	{"expire", -3, writes | under | quick, "generic", oneKey, "Let a key expire after seconds", func(c *conn) { c.expire("expire", true, false) }},
	{"pexpire", -3, writes | under | quick, "generic", oneKey, "Let a key expire after milliseconds", func(c *conn) { c.expire("pexpire", false, false) }},
	{"expireat", -3, writes | under | quick, "generic", oneKey, "Let a key expire at a Unix time in seconds", func(c *conn) { c.expire("expireat", true, true) }},
	{"pexpireat", -3, writes | under | quick, "generic", oneKey, "Let a key expire at a Unix time in milliseconds", func(c *conn) { c.expire("pexpireat", false, true) }},
	{"ttl", 2, reads | quick, "generic", oneKey, "Seconds that a key still has", func(c *conn) { c.ttl(true, false) }},
	{"pttl", 2, reads | quick, "generic", oneKey, "Milliseconds that a key still has", func(c *conn) { c.ttl(false, false) }},
	{"expiretime", 2, reads | quick, "generic", oneKey, "The Unix time in seconds at which a key expires", func(c *conn) { c.ttl(true, true) }},
	{"pexpiretime", 2, reads | quick, "generic", oneKey, "The Unix time in milliseconds at which a key expires", func(c *conn) { c.ttl(false, true) }},
	{"persist", 2, writes | under | quick, "generic", oneKey, "Take the expiry from a key", (*conn).persist},
}

// Answers of the commands that tell of an expiry.
const (
	ttlNone   = -1 // the key has none
	ttlAbsent = -2 // there is no key
)

func (c *conn) ttl(seconds, absolute bool) {
	r := c.registry()
	if r == nil {
		return
	}
	_, expires, ok, err := c.peek(r, c.key(1))
	switch {
	case err != nil:
		c.failed(r, err)
		return
	case !ok:
		c.int(ttlAbsent)
		return
	case expires.IsZero():
		c.int(ttlNone)
		return
	}
	ms := expires.UnixMilli()
	if !absolute {
		ms = max(ms-time.Now().UnixMilli(), 0)
	}
	if seconds {
		ms = (ms + 500) / 1000
	}
	c.int(ms)
}

// condition is what EXPIRE asks of the expiry that a key has, as this node knows it.
type condition struct{ nx, xx, gt, lt bool }

func (c *conn) condition(i int) (o condition, err error) {
	for ; i < c.cmd.len(); i++ {
		switch {
		case c.is(i, "nx"):
			o.nx = true
		case c.is(i, "xx"):
			o.xx = true
		case c.is(i, "gt"):
			o.gt = true
		case c.is(i, "lt"):
			o.lt = true
		default:
			return o, replyError(fmt.Sprintf("ERR Unsupported option %s", asText(c.cmd.arg(i))))
		}
	}
	switch {
	case o.nx && (o.xx || o.gt || o.lt):
		return o, errExpireNX
	case o.gt && o.lt:
		return o, errExpireGTLT
	}
	return o, nil
}

// allows says whether a key that expires at a time, zero for never, may get another one.
func (o condition) allows(now, next time.Time) bool {
	switch never := now.IsZero(); {
	case o.nx && !never, o.xx && never:
		return false
	case o.gt:
		return !never && next.After(now)
	case o.lt:
		return never || next.Before(now)
	}
	return true
}

func (c *conn) expire(command string, seconds, absolute bool) {
	n, err := c.number(2)
	var o condition
	if cond, cerr := c.condition(3); cerr != nil {
		err = cerr // told first, as with Redis
	} else {
		o = cond
	}
	var at time.Time
	if err == nil {
		at, err = expiryOf(n, seconds, absolute, command)
	}
	if err != nil {
		c.failWith(err)
		return
	}
	c.change(func(r *minikv.Registry, expires time.Time) (bool, error) {
		if !o.allows(expires, at) {
			return false, nil
		}
		return true, c.expireKey(r, c.str(1), expiry{at: at})
	})
}

func (c *conn) persist() {
	c.change(func(r *minikv.Registry, expires time.Time) (bool, error) {
		if expires.IsZero() {
			return false, nil
		}
		return true, c.persistKey(r, c.str(1))
	})
}

// change answers 1 if fn has changed the key, given its expiry, else 0.
func (c *conn) change(fn func(r *minikv.Registry, expires time.Time) (bool, error)) {
	r := c.registry()
	if r == nil {
		return
	}
	done := false
	err := c.db.alone(func() error {
		_, expires, ok, err := c.peek(r, c.key(1))
		if err == nil && ok {
			done, err = fn(r, expires)
		}
		return err
	})
	if errors.Is(err, minikv.ErrNotFound) { // it went this moment
		done, err = false, nil
	}
	if err != nil {
		c.failed(r, err)
		return
	}
	c.int(oneIf(done))
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// expireKey sets the expiry of a key that is there.
func (c *conn) expireKey(r *minikv.Registry, key string, e expiry) error {
	if e.past() {
		return c.delete(r, key)
	}
	err := r.ExpireAt(background, key, e.at, c.writeOptions()...)
	if err == nil {
		c.wrote(r)
	}
	return err
}

func (c *conn) persistKey(r *minikv.Registry, key string) error {
	err := r.Persist(background, key, c.writeOptions()...)
	if err == nil {
		c.wrote(r)
	}
	return err
}
