package resp

import (
	"errors"
	"fmt"

	"github.com/minikv/minikv"
)

var keyCommands = []spec{
	{"del", -2, writes | under | quick, "generic", allKeys, "Delete keys", (*conn).del},
	{"unlink", -2, writes | under | quick, "generic", allKeys, "Delete keys", (*conn).del},
	{"exists", -2, reads | quick, "generic", allKeys, "How many of the keys are there", (*conn).exists},
	{"touch", -2, reads | quick, "generic", allKeys, "How many of the keys are there", (*conn).exists},
	{"type", 2, reads | quick, "generic", oneKey, "string, or none", (*conn).typeOf},
	{"keys", 2, reads, "generic", noKeys, "All keys that match a pattern", (*conn).keys},
	{"scan", -2, reads, "generic", noKeys, "A page of the keys", (*conn).scan},
	{"randomkey", 1, reads, "generic", noKeys, "One of the keys", (*conn).randomKey},
	{"dbsize", 1, reads | quick, "server", noKeys, "The number of keys", (*conn).dbSize},
	{"flushdb", -1, writes, "server", noKeys, "Delete all keys of this database, on all nodes", (*conn).flushDB},
	{"flushall", -1, writes, "server", noKeys, "Delete all keys of all databases, on all nodes", (*conn).flushAll},
}

// del deletes those of the keys that are there, all or none.
func (c *conn) del() {
	r := c.registry()
	if r == nil {
		return
	}
	n := 0
	err := c.db.alone(func() (err error) {
		if c.cmd.len() == 2 {
			n, err = c.delOne(r)
		} else {
			n, err = c.delMany(r)
		}
		return err
	})
	if err != nil {
		c.failed(r, err)
		return
	}
	c.int(int64(n))
}

func (c *conn) delOne(r *minikv.Registry) (n int, err error) {
	_, _, ok, err := c.peek(r, c.key(1))
	if err != nil || !ok {
		return 0, err
	}
	return 1, c.delete(r, c.str(1))
}

func (c *conn) delMany(r *minikv.Registry) (n int, err error) {
	b, seen := r.NewBatch(minikv.NoWait()), map[string]bool{}
	for i := 1; i < c.cmd.len(); i++ {
		key := c.str(i)
		_, _, ok, err := c.peek(r, key)
		if err != nil {
			return 0, err
		}
		if ok && !seen[key] {
			seen[key] = true
			b.Delete(key, c.writeOptions()...)
		}
	}
	if len(seen) == 0 {
		return 0, nil
	}
	if _, err = b.Commit(background); err == nil {
		c.wrote(r)
	}
	return len(seen), err
}

func (c *conn) exists() {
	r := c.registry()
	if r == nil {
		return
	}
	n := int64(0)
	for i := 1; i < c.cmd.len(); i++ {
		_, _, ok, err := c.peek(r, c.key(i))
		if err != nil {
			c.failed(r, err)
			return
		}
		n += oneIf(ok)
	}
	c.int(n)
}

func (c *conn) typeOf() {
	r := c.registry()
	if r == nil {
		return
	}
	_, _, ok, err := c.peek(r, c.key(1))
	switch {
	case err != nil:
		c.failed(r, err)
	case ok:
		c.simple("string")
	default:
		c.simple("none")
	}
}

// keys walks the keys as they were at one moment.
func (c *conn) keys() {
	r := c.registry()
	if r == nil {
		return
	}
	pattern := c.str(1)
	prefix, whole := literalPrefix(pattern)
	if whole {
		c.keysOne(r, prefix)
		return
	}
	var all []string
	for key, err := range r.Keys(background, prefix) {
		if err != nil {
			c.failed(r, err)
			return
		}
		if glob(pattern, key) {
			all = append(all, key)
		}
	}
	c.array(len(all))
	for _, key := range all {
		c.text(key)
	}
}

func (c *conn) keysOne(r *minikv.Registry, key string) {
	_, _, ok, err := c.peek(r, key)
	switch {
	case err != nil:
		c.failed(r, err)
	case ok:
		c.array(1)
		c.text(key)
	default:
		c.array(0)
	}
}

func (c *conn) randomKey() {
	r := c.registry()
	if r == nil {
		return
	}
	key, err := r.RandomKey(background)
	switch {
	case errors.Is(err, minikv.ErrNotFound):
		c.null()
	case err != nil:
		c.failed(r, err)
	default:
		c.text(key)
	}
}

func (c *conn) dbSize() {
	r := c.registry()
	if r == nil {
		return
	}
	n, err := r.Len(background)
	if err != nil {
		c.failed(r, err)
		return
	}
	c.int(int64(n))
}

func (c *conn) flushDB() {
	if err := c.flushOptions(); err != nil {
		c.failWith(err)
		return
	}
	r := c.registry()
	if r == nil {
		return
	}
	kept, err := c.empty(c.db, r)
	c.flushed(kept, err)
}

func (c *conn) flushAll() {
	if err := c.flushOptions(); err != nil {
		c.failWith(err)
		return
	}
	kept := 0
	for _, d := range c.s.dbs {
		if d == nil {
			continue
		}
		r, err := d.registry(background)
		if err != nil {
			c.failWith(err)
			return
		}
		n, err := c.empty(d, r)
		if kept += n; err != nil {
			c.failWith(err)
			return
		}
	}
	c.flushed(kept, nil)
}

func (c *conn) flushOptions() error {
	if n := c.cmd.len(); n > 2 || n == 2 && !c.is(1, "async") && !c.is(1, "sync") {
		return errSyntax
	}
	return nil
}

func (c *conn) flushed(kept int, err error) {
	switch {
	case err != nil:
		c.failWith(err)
	case kept > 0:
		c.fail(fmt.Sprintf("LOCKED %d keys are locked and were kept; all others are deleted", kept))
	default:
		c.ok()
	}
}

const flushBatch = 1000 // deletes: others wait for a batch

// empty deletes all keys of a registry but those that are locked, which it counts.
func (c *conn) empty(d *database, r *minikv.Registry) (kept int, err error) {
	from := ""
	for {
		keys, next, err := r.KeysFrom(background, from, flushBatch)
		if err != nil {
			return kept, d.explain(r, err)
		}
		err = d.alone(func() error {
			n, err := deleteUnlocked(r, keys)
			kept += n
			return err
		})
		if err != nil {
			return kept, d.explain(r, err)
		}
		c.wrote(r)
		if next == "" {
			return kept, nil
		}
		from = next
	}
}

// deleteUnlocked deletes keys in one batch or, if any is locked, those that are not.
func deleteUnlocked(r *minikv.Registry, keys []string) (kept int, err error) {
	b := r.NewBatch(minikv.NoWait())
	for _, key := range keys {
		b.Delete(key)
	}
	if _, err = b.Commit(background); !errors.Is(err, minikv.ErrLocked) {
		return 0, err
	}
	for _, key := range keys {
		err := r.Delete(background, key, minikv.NoWait())
		if errors.Is(err, minikv.ErrLocked) {
			kept++
		} else if err != nil {
			return kept, err
		}
	}
	return kept, nil
}
