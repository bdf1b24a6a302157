package resp

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minikv/minikv"
)

// conn is one client. All but what is said to be shared belongs to the goroutine of serve.
type conn struct {
	s   *Server
	id  uint64
	in  *reader
	cmd command

	socket
	remote, local net.Addr // they do not change
	room          [32]byte // for the name of a command

	out     []byte // answers that were not written yet
	replies int    // answered since the connection began
	start   int    // where in out the answer of the present command begins
	dead    bool   // nothing can be written any more
	slow    bool   // it is to leave its loop
	pending bool   // with a command that was read and not run
	last    bool   // this is the loop's last round
	leaving bool   // closes when what was answered is written
	holding bool   // wmu, in the midst of an answer

	resp3  bool
	authed bool
	db     *database
	token  minikv.Token        // that of UNDER, while it runs
	opts   [4]minikv.PutOption // room
	run    *setRun             // the loop's, or its own
	joined joined              // what of the run is this connection's
	wait   settlement
	subs   *subscriber                // nil: it has never subscribed
	shared atomic.Pointer[subscriber] // the same, for others

	piece   uint64 // bytes received when the client was last seen to get on with a command; 0: it has none under way
	pieceAt int64  // the sweeper's round then

	wmu sync.Mutex // held by whoever writes to the socket

	since atomic.Int64 // shared: the sweeper's round when it began to wait
	what  atomic.Int32 // shared: for what
	info  clientInfo   // shared
}

// What a connection waits for.
const (
	running int32 = iota
	idle
	inCommand
	inWrite
)

func newConn(s *Server, nc net.Conn, id uint64) *conn {
	c := &conn{s: s, id: id, in: newReader(s.cfg.limits()), db: s.dbs[0], authed: s.cfg.Password == ""}
	c.nc, c.remote, c.local = nc, nc.RemoteAddr(), nc.LocalAddr()
	c.run = new(setRun)
	c.greet(c.authed)
	c.wait.mark, c.joined.mark = -1, -1
	c.info.began = time.Now()
	return c
}

// serve answers the client until it leaves or is sent away.
func (c *conn) serve() {
	defer c.end()
	for {
		for c.next() {
			c.command()
		}
		if !c.flush() || c.leaving {
			return
		}
		if !c.receive() {
			return
		}
	}
}

// next reads the next command, as long as there is one. What is no command is answered, and the last thing that is.
func (c *conn) next() bool {
	if c.leaving || c.dead {
		return false
	}
	ok, err := c.in.next(&c.cmd)
	if err != nil {
		c.endRun()
		c.begin()
		c.fail("ERR " + err.Error())
		c.leaving = true
		return false
	}
	return ok
}

func (c *conn) end() {
	if c.subs != nil {
		c.subs.close()
	}
	c.s.forget(c)
	c.close()
}

// aPiece is how much of a command has to come within the slow timeout.
const aPiece = 16 << 10

// receive waits for more, and says whether the connection goes on.
func (c *conn) receive() bool {
	c.waitForMore()
	n, err := c.in.fill(c.nc)
	c.what.Store(running)
	if c.s.ctx.Err() != nil && n == 0 {
		return false
	}
	return err == nil || n > 0 && errors.Is(err, io.EOF)
}

// waitForMore notes since when the client has the word.
func (c *conn) waitForMore() {
	switch {
	case !c.in.begun():
		c.waitFor(idle)
		c.piece = 0
	case c.piece == 0 || c.in.received-c.piece >= aPiece:
		c.piece = c.in.received
		c.waitFor(inCommand)
		c.pieceAt = c.since.Load()
	default:
		c.since.Store(c.pieceAt)
		c.what.Store(inCommand)
	}
}

func (c *conn) waitFor(what int32) {
	c.since.Store(c.s.tick.Load())
	c.what.Store(what)
}

// sweep closes the connection if it has waited for too long.
func (c *conn) sweep(now int64, every time.Duration) {
	if sub := c.shared.Load(); sub != nil {
		if began := sub.since.Load(); began != 0 && time.Duration(now-began)*every > c.s.cfg.SlowTimeout+every {
			c.s.stats.slowClosed.Add(1)
			c.shut()
		}
	}
	waited := time.Duration(now-c.since.Load()) * every
	switch c.what.Load() {
	case inCommand, inWrite:
		if waited > c.s.cfg.SlowTimeout+every {
			c.s.stats.slowClosed.Add(1)
			c.shut()
		}
	case idle:
		if c.info.stranger.Load() && waited > c.s.cfg.SlowTimeout+every {
			c.s.stats.slowClosed.Add(1)
			c.shut()
		}
		if limit := c.s.cfg.IdleTimeout; limit > 0 && waited > limit+every && !c.info.subscribed.Load() {
			c.s.stats.idleClosed.Add(1)
			c.shut()
		}
	}
}

// flush writes all answers, and says whether the connection goes on. What was written to the registry is
// durable before.
func (c *conn) flush() bool {
	c.endRun()
	c.settle()
	if len(c.out) > 0 {
		c.hold()
		c.write(c.out)
		c.clearOut()
	}
	if c.holding {
		c.holding = false
		c.wmu.Unlock()
	}
	return !c.dead
}

// flushPart writes what there is in the midst of an answer; nothing else may come in between. In a loop it is written
// at the end of the turn.
func (c *conn) flushPart() {
	if c.inLoop() {
		return
	}
	if !c.settleNow() {
		c.dead = true // a part of the answer may be out: there is no way to tell
	}
	c.hold()
	c.write(c.out)
	c.clearOut()
	c.start = 0
}

// hold keeps notifications from being written until the end of the answer.
func (c *conn) hold() {
	if !c.holding {
		c.holding = true
		c.wmu.Lock()
	}
}

const (
	aWrite = 256 << 10 // what has to be taken within the slow timeout
	keep   = 16 << 10  // of the room for answers, between commands
)

func (c *conn) clearOut() {
	if cap(c.out) > 2*flushAt || cap(c.out) > keep && len(c.out) < keep/4 {
		c.out = nil
		return
	}
	c.out = c.out[:0]
}

func (c *conn) write(b []byte) {
	for len(b) > 0 && !c.dead {
		piece := b[:min(len(b), aWrite)]
		c.waitFor(inWrite)
		_, err := c.nc.Write(piece)
		c.what.Store(running)
		if err != nil {
			c.dead = true
		}
		b = b[len(piece):]
	}
}

// greet notes whether the client has said who it is. Of one that has not little is taken, and not for long.
func (c *conn) greet(authed bool) {
	c.authed, c.in.stranger = authed, !authed
	c.info.stranger.Store(!authed)
}

// setSubscriber makes the connection one that listens.
func (c *conn) setSubscriber(sub *subscriber) {
	c.subs = sub
	c.shared.Store(sub)
}

// begin notes where the answer of a command begins.
func (c *conn) begin() {
	c.start = len(c.out)
	c.replies++
}
