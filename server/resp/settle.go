package resp

import (
	"context"

	"github.com/minikv/minikv"
)

// background is the context of what a client has asked for: it is done to its end, also when the server is
// closed meanwhile.
var background = context.Background()

// settlement is what a connection has written without waiting for the disk. It waits once, before the answers go
// out.
type settlement struct {
	reg     *minikv.Registry
	mark    int // in out: the first answer that is not true before; -1: all are
	replies int // of the connection, before that one
}

// wrote notes that the present command has written to a registry.
func (c *conn) wrote(r *minikv.Registry) { c.wroteFrom(r, c.start, c.replies-1) }

func (c *conn) wroteFrom(r *minikv.Registry, mark, replies int) {
	if c.wait.mark < 0 {
		c.wait.mark, c.wait.replies = mark, replies
	}
	c.wait.reg = r // all registries of a node settle together
}

// settleNow waits for the disk.
func (c *conn) settleNow() bool { return c.settleErr() == nil }

func (c *conn) settleErr() error {
	if c.wait.mark < 0 {
		return nil
	}
	err := c.s.settle(c.wait.reg)
	if err == nil {
		c.wait.mark = -1
	}
	return err
}

// settle waits for the disk. When that fails, the answers since the first write become errors: what was written
// may be lost, and what was read may have been that.
func (c *conn) settle() {
	err := c.settleErr()
	if err == nil {
		return
	}
	c.out = c.out[:c.wait.mark]
	for range c.replies - c.wait.replies {
		c.failWith(err)
	}
	c.wait.mark = -1
}
