package resp

import "fmt"

var notificationCommands = []spec{
	{"subscribe", -2, subscribed, "pubsub", noKeys, "Hear of changes by the names of channels", (*conn).subscribe},
	{"psubscribe", -2, subscribed, "pubsub", noKeys, "Hear of changes by patterns", (*conn).pSubscribe},
	{"unsubscribe", -1, subscribed, "pubsub", noKeys, "Hear of them no more", (*conn).unsubscribe},
	{"punsubscribe", -1, subscribed, "pubsub", noKeys, "Hear of them no more", (*conn).pUnsubscribe},
}

func (c *conn) subscribe() {
	c.addAll("subscribe", func(name string) ([]int, error) {
		n, ok := databaseOf(name)
		if !ok {
			return nil, replyError(fmt.Sprintf("ERR nothing is ever told on %.128q: channels are __keyspace@<db>__:<key> and __keyevent@<db>__:set, del or expired", name))
		}
		if c.s.dbs[n] == nil {
			return nil, replyError(fmt.Sprintf("ERR database %d is no registry here", n))
		}
		return []int{n}, nil
	})
}

func (c *conn) pSubscribe() {
	c.addAll("psubscribe", func(pattern string) (dbs []int, err error) {
		if !mayMatch(pattern) {
			return nil, replyError(fmt.Sprintf("ERR nothing is ever told on %.128q: channels are __keyspace@<db>__:<key> and __keyevent@<db>__:set, del or expired", pattern))
		}
		for n, d := range c.s.dbs {
			if d != nil {
				dbs = append(dbs, n)
			}
		}
		return dbs, nil
	})
}

// addAll subscribes to all that is named, or to nothing. Until it is answered no notification is written.
func (c *conn) addAll(what string, databases func(name string) ([]int, error)) {
	names, dbs := make([]string, 0, c.cmd.len()-1), []int(nil)
	for i := 1; i < c.cmd.len(); i++ {
		name := c.str(i)
		of, err := databases(name)
		if err != nil {
			c.failWith(err)
			return
		}
		names, dbs = append(names, name), append(dbs, of...)
	}
	if !c.flush() {
		return
	}
	if c.subs == nil {
		c.setSubscriber(newSubscriber(c))
	}
	c.hold()
	if err := c.subs.join(dbs...); err != nil {
		if c.subs.count() == 0 {
			c.subs.leaveAll()
		}
		c.failWith(err)
		return
	}
	c.info.subscribed.Store(true)
	to := c.subs.channels
	if what[0] == 'p' {
		to = c.subs.patterns
	}
	for _, name := range names {
		c.subs.add(to, name)
		c.tellCount(what, name)
	}
}

// tellCount answers one step of a change of subscriptions.
func (c *conn) tellCount(what, name string) {
	c.pushOf(3)
	c.text(what)
	c.text(name)
	c.int(int64(c.subs.count()))
}

// pushOf begins what is no answer to a command, in RESP3.
func (c *conn) pushOf(n int) {
	if c.resp3 {
		c.header('>', int64(n))
		return
	}
	c.array(n)
}

func (c *conn) unsubscribe() {
	c.removeAll("unsubscribe", func(sub *subscriber) map[string]bool { return sub.channels })
}

func (c *conn) pUnsubscribe() {
	c.removeAll("punsubscribe", func(sub *subscriber) map[string]bool { return sub.patterns })
}

func (c *conn) removeAll(what string, of func(*subscriber) map[string]bool) {
	if !c.flush() {
		return
	}
	c.hold()
	var names []string
	for i := 1; i < c.cmd.len(); i++ {
		names = append(names, c.str(i))
	}
	if len(names) == 0 && c.subs != nil {
		names = c.subs.names(of(c.subs))
	}
	if len(names) == 0 {
		c.pushOf(3)
		c.text(what)
		c.null()
		c.int(int64(c.subs.count()))
		return
	}
	for _, name := range names {
		if c.subs != nil {
			c.subs.remove(of(c.subs), name)
		}
		c.tellCount(what, name)
	}
}
