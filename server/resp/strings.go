package resp

import (
	"errors"
	"time"

	"github.com/minikv/minikv"
)

var stringCommands = []spec{
	{"get", 2, reads | quick, "string", oneKey, "The value of a key", (*conn).get},
	{"getex", -2, writes | under | quick, "string", oneKey, "The value of a key, and a new expiry", (*conn).getEx},
	{"getdel", 2, writes | under | quick, "string", oneKey, "The value of a key, which is deleted", (*conn).getDel},
	{"getset", 3, writes | under | quick, "string", oneKey, "The value that a key had, and a new one", (*conn).getSet},
	{"mget", -2, reads, "string", allKeys, "The values of keys, of one moment", (*conn).mGet},
	{"set", -3, writes | under | quick, "string", oneKey, "Set the value of a key", (*conn).setCommand},
	{"setex", 4, writes | under | quick, "string", oneKey, "Set a value that expires after seconds", (*conn).setEx},
	{"psetex", 4, writes | under | quick, "string", oneKey, "Set a value that expires after milliseconds", (*conn).pSetEx},
	{"mset", -3, writes | under | quick, "string", pairs, "Set values of keys, all at once", (*conn).mSet},
	{"strlen", 2, reads | quick, "string", oneKey, "The length of a value", (*conn).strLen},
}

// registry returns the registry of the present database, nil after answering with an error.
func (c *conn) registry() *minikv.Registry {
	if c.db == nil {
		c.fail("ERR database 0 is no registry; SELECT another one")
		return nil
	}
	r, err := c.db.registry(background)
	if err != nil {
		c.failWith(err)
		return nil
	}
	return r
}

// failed answers with an error of the registry.
func (c *conn) failed(r *minikv.Registry, err error) { c.failWith(c.db.explain(r, err)) }

// explain gives the error of a registry that was closed the words for it, and forgets that registry.
func (d *database) explain(r *minikv.Registry, err error) error {
	if errors.Is(err, minikv.ErrClosed) {
		d.closed(r)
		return d.notOpen()
	}
	return err
}

// peek looks a key up, and counts whether it was there. A key that cannot be is absent.
func (c *conn) peek(r *minikv.Registry, key string) (value []byte, expires time.Time, ok bool, err error) {
	value, expires, ok, err = r.Peek(background, key)
	if errors.Is(err, minikv.ErrKeyInvalid) {
		err = nil
	}
	if ok {
		c.s.stats.hits.Add(1)
	} else {
		c.s.stats.misses.Add(1)
	}
	return value, expires, ok, err
}

// answer is a value, or null.
func (c *conn) answer(value []byte, ok bool) {
	if ok {
		c.bulk(value)
		return
	}
	c.null()
}

func (c *conn) get() {
	r := c.registry()
	if r == nil {
		return
	}
	value, _, ok, err := c.peek(r, c.key(1))
	if err != nil {
		c.failed(r, err)
		return
	}
	c.answer(value, ok)
}

func (c *conn) strLen() {
	r := c.registry()
	if r == nil {
		return
	}
	value, _, _, err := c.peek(r, c.key(1))
	if err != nil {
		c.failed(r, err)
		return
	}
	c.int(int64(len(value)))
}

// mGet holds writers off while it looks, so that its values are of one moment among the clients of this server.
func (c *conn) mGet() {
	r := c.registry()
	if r == nil {
		return
	}
	values := make([][]byte, c.cmd.len()-1)
	err := c.db.alone(func() error {
		for i := range values {
			value, _, ok, err := c.peek(r, c.key(i+1))
			if err != nil {
				return err
			}
			if ok {
				values[i] = value // never nil
			}
		}
		return nil
	})
	if err != nil {
		c.failed(r, err)
		return
	}
	c.array(len(values))
	for _, v := range values {
		c.answer(v, v != nil)
	}
}

// alone runs fn while no other client of this server writes to the database, but for what it has begun before.
func (d *database) alone(fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fn()
}

// exchange is what the commands that return an old value have in common: fn looks at it and changes it, and the
// answer is the old one.
func (c *conn) exchange(fn func(r *minikv.Registry, old []byte, ok bool) error) {
	r := c.registry()
	if r == nil {
		return
	}
	var old []byte
	var ok bool
	err := c.db.alone(func() (err error) {
		if old, _, ok, err = c.peek(r, c.key(1)); err != nil {
			return err
		}
		return fn(r, old, ok)
	})
	if err != nil {
		c.failed(r, err)
		return
	}
	c.answer(old, ok)
}

func (c *conn) getSet() {
	c.exchange(func(r *minikv.Registry, _ []byte, _ bool) error {
		return c.put(r, c.str(1), c.cmd.arg(2), expiry{})
	})
}

func (c *conn) getDel() {
	c.exchange(func(r *minikv.Registry, _ []byte, ok bool) error {
		if !ok {
			return nil
		}
		return c.delete(r, c.str(1))
	})
}

func (c *conn) getEx() {
	o, err := c.setOptions(2, false)
	if err != nil {
		c.failWith(err)
		return
	}
	c.exchange(func(r *minikv.Registry, _ []byte, ok bool) error {
		if !ok || !o.given && !o.persist {
			return nil
		}
		if o.persist {
			return c.persistKey(r, c.str(1))
		}
		e, err := o.expiry("getex")
		if err != nil {
			return err
		}
		return c.expireKey(r, c.str(1), e)
	})
}

// mSet sets all or nothing.
func (c *conn) mSet() {
	if c.cmd.len()%2 == 0 {
		c.failWith(errArity("mset"))
		return
	}
	r := c.registry()
	if r == nil {
		return
	}
	b := r.NewBatch(minikv.NoWait())
	for i := 1; i < c.cmd.len(); i += 2 {
		b.Put(c.str(i), c.cmd.arg(i+1), c.putOptions(expiry{})...)
	}
	err := c.db.alone(func() error {
		_, err := b.Commit(background)
		return err
	})
	if err != nil {
		c.failed(r, err)
		return
	}
	c.wrote(r)
	c.ok()
}
