package resp

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// subscriber is a connection that listens. Notifications wait in a buffer for its own goroutine, so that a slow
// client keeps nobody else waiting; when too many do, the client is sent away.
type subscriber struct {
	c     *conn
	resp3 atomic.Bool
	wake  chan struct{} // capacity 1
	gone  chan struct{}
	since atomic.Int64 // the sweeper's round when the write under way began; 0: there is none

	mu       sync.Mutex
	channels map[string]bool
	patterns map[string]bool
	joined   map[int]bool // databases
	backlog  []byte
	over     bool // it was too much
}

func newSubscriber(c *conn) *subscriber {
	sub := &subscriber{
		c: c, wake: make(chan struct{}, 1), gone: make(chan struct{}),
		channels: map[string]bool{}, patterns: map[string]bool{}, joined: map[int]bool{},
	}
	sub.resp3.Store(c.resp3)
	c.s.wg.Go(sub.push)
	return sub
}

// count is the number of subscriptions. It may be called of nil.
func (sub *subscriber) count() int {
	n, m := sub.counts()
	return n + m
}

func (sub *subscriber) counts() (channels, patterns int) {
	if sub == nil {
		return 0, 0
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return len(sub.channels), len(sub.patterns)
}

// names are those of the subscriptions of a kind, in order.
func (sub *subscriber) names(of map[string]bool) []string {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// add subscribes to a name, of whose databases it has joined the hub before.
func (sub *subscriber) add(to map[string]bool, name string) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	to[name] = true
}

func (sub *subscriber) remove(from map[string]bool, name string) {
	sub.mu.Lock()
	delete(from, name)
	none := len(sub.channels)+len(sub.patterns) == 0
	sub.mu.Unlock()
	if none {
		sub.leaveAll()
	}
}

// clear ends all subscriptions.
func (sub *subscriber) clear() {
	sub.mu.Lock()
	clear(sub.channels)
	clear(sub.patterns)
	sub.mu.Unlock()
	sub.leaveAll()
}

func (sub *subscriber) leaveAll() {
	for n := range sub.joined {
		sub.c.s.hub.leave(n, sub)
	}
	clear(sub.joined)
	sub.c.info.subscribed.Store(false)
}

// join hears of databases from now on; what is told does not matter before there is a subscription.
func (sub *subscriber) join(dbs ...int) error {
	for _, n := range dbs {
		if sub.joined[n] {
			continue
		}
		sub.joined[n] = true
		if err := sub.c.s.hub.join(n, sub); err != nil {
			return err
		}
	}
	return nil
}

func (sub *subscriber) close() {
	sub.clear()
	close(sub.gone)
}

// offer takes those messages that the client has subscribed to.
func (sub *subscriber) offer(messages ...message) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.over {
		return
	}
	before := len(sub.backlog)
	for _, m := range messages {
		if sub.channels[m.channel] {
			sub.backlog = sub.appendPush(sub.backlog, "message", m.channel, m.payload)
		}
		for p := range sub.patterns {
			if glob(p, m.channel) {
				sub.backlog = sub.appendPush(sub.backlog, "pmessage", p, m.channel, m.payload)
			}
		}
	}
	switch {
	case len(sub.backlog) > sub.c.s.cfg.MaxBacklog:
		sub.over, sub.backlog = true, nil
		sub.c.s.stats.backlogClosed.Add(1)
		sub.c.s.cfg.Logger.Warn("a Redis client does not read its notifications; the connection was closed", "from", sub.c.remote, "limit", sub.c.s.cfg.MaxBacklog)
		sub.c.shut()
	case len(sub.backlog) > before:
		select {
		case sub.wake <- struct{}{}:
		default:
		}
	}
}

func (sub *subscriber) appendPush(b []byte, words ...string) []byte {
	kind := byte('*')
	if sub.resp3.Load() {
		kind = '>'
	}
	b = append(strconv.AppendInt(append(b, kind), int64(len(words)), 10), '\r', '\n')
	for _, w := range words {
		b = append(strconv.AppendInt(append(b, '$'), int64(len(w)), 10), '\r', '\n')
		b = append(append(b, w...), '\r', '\n')
	}
	return b
}

// push writes what waits, between the answers to commands.
func (sub *subscriber) push() {
	var spare []byte
	for {
		select {
		case <-sub.wake:
		case <-sub.gone:
			return
		}
		sub.c.wmu.Lock() // before taking, so that what comes meanwhile counts against the limit
		sub.mu.Lock()
		b := sub.backlog
		sub.backlog = spare[:0]
		sub.mu.Unlock()
		err := sub.write(b)
		sub.c.wmu.Unlock()
		if err != nil {
			sub.c.shut()
		}
		if spare = b; cap(b) > keep {
			spare = nil
		}
	}
}

func (sub *subscriber) write(b []byte) error {
	defer sub.since.Store(0)
	for len(b) > 0 {
		piece := b[:min(len(b), aWrite)]
		sub.since.Store(max(sub.c.s.tick.Load(), 1))
		if _, err := sub.c.nc.Write(piece); err != nil {
			return err
		}
		b = b[len(piece):]
	}
	return nil
}
