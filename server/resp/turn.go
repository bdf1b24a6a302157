package resp

// What a connection in a loop does in a round of it.

// quickWords bounds the commands that a loop runs: more keys may take long.
const quickWords = 64

// turn takes in what has come, and runs it up to the first command that may take long. Answers are written in rest.
func (c *conn) turn() {
	c.what.Store(running)
	n, again, err := c.loop.read(c)
	if again {
		return
	}
	if err != nil || n == 0 {
		c.dead = true
		return
	}
	c.runQuick()
}

func (c *conn) runQuick() {
	for c.next() {
		name := lower(c.room[:0], c.cmd.arg(0))
		sp := commands[string(name)]
		if sp != nil && (!sp.flags.has(quick) || c.cmd.len() > quickWords) {
			c.slow, c.pending = true, true
			return
		}
		c.runCommand(sp, name)
		if len(c.out) >= flushAt && !c.writeNow() {
			c.slow = true
			return
		}
	}
}

// rest ends a turn, after the run of SETs that it may have joined: it writes the answers, and sees to it that whoever
// is to go on with the connection does.
func (c *conn) rest() {
	switch {
	case c.slow:
	case !c.writeNow():
		c.slow = true
	case c.leaving || c.dead || c.last:
		c.end()
		return
	default:
		c.waitForMore()
		return
	}
	c.slow = false
	if !c.loop.leave(c) {
		c.end()
		return
	}
	c.s.wg.Go(c.serveOn)
}

// writeNow writes the answers, and says whether the client has taken all of them.
func (c *conn) writeNow() bool {
	c.endRun()
	c.settle()
	for len(c.out) > 0 && !c.dead {
		n, again, err := c.loop.write(c, c.out)
		c.dead = err != nil
		if n == len(c.out) {
			break
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
		if again {
			return false
		}
	}
	c.clearOut()
	return true
}

// serveOn serves a connection that has left its loop, in the midst of what it had to do.
func (c *conn) serveOn() {
	if c.pending {
		c.pending = false
		c.command()
	}
	c.serve()
}
