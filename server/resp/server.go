package resp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minikv/minikv"
)

// Server serves a node to Redis clients. Use [New]. Safe for concurrent use.
type Server struct {
	node    *minikv.Node
	cfg     Config
	started time.Time
	dbs     [MaxDatabases]*database // nil: no registry
	hub     *hub
	stats   stats
	settle  func(*minikv.Registry) error // waits for the disk; tests put another one here
	loops   []*loop                      // none: each connection has a goroutine of its own

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // connections, and what runs for them
	tick atomic.Int64   // counts the sweeper's rounds

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	lastID    uint64
	sweeping  bool
}

// maxLoops bounds the loops, of which there is one for each two processors: whoever uses the node on the same machine
// needs some, too, and writes take turns anyway.
const maxLoops = 8

// stats counts what INFO tells.
type stats struct {
	accepted, rejected, commands, hits, misses atomic.Uint64
	slowClosed, idleClosed, backlogClosed      atomic.Uint64
	badPasswords                               atomic.Uint64
}

// New makes the server of a node, which stays the caller's: close the server first, then the node.
func New(node *minikv.Node, cfg Config) (*Server, error) {
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	s := &Server{node: node, cfg: cfg, started: time.Now(), listeners: map[net.Listener]bool{}, conns: map[*conn]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.hub = newHub(s)
	s.settle = func(r *minikv.Registry) error { return r.Settle(background) }
	for n, name := range cfg.Databases {
		s.dbs[n] = newDatabase(node, n, name)
	}
	if node.Metrics().DiskBytes == 0 { // in memory: no command waits for a disk
		s.loops = newLoops(s, min(max(1, runtime.GOMAXPROCS(0)/2), maxLoops))
	}
	return s, nil
}

// Serve answers clients of l until Close, then returns nil. It refuses a listener that other machines reach when
// there is no password.
func (s *Server) Serve(l net.Listener) error {
	if err := mayListen(l.Addr(), s.cfg.Password); err != nil {
		return err
	}
	defer s.remove(l)
	if !s.add(l) {
		return nil
	}
	pause := time.Millisecond
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = time.Millisecond
			s.accept(nc)
			continue
		}
		if s.ctx.Err() != nil {
			return nil
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() && !isOutOfFiles(err) {
			return fmt.Errorf("resp: %w", err)
		}
		s.cfg.Logger.Warn("a Redis client could not be accepted; trying again", "err", err)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
		pause = min(2*pause, time.Second)
	}
}

// add says whether the server is open.
func (s *Server) add(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = true
	if !s.sweeping {
		s.sweeping = true
		s.wg.Go(s.sweep)
		s.startLoops()
	}
	return true
}

func (s *Server) remove(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	l.Close()
}

// accept starts a connection, or turns it away.
func (s *Server) accept(nc net.Conn) {
	s.mu.Lock()
	if s.closed || len(s.conns) >= s.cfg.MaxClients {
		s.mu.Unlock()
		s.stats.rejected.Add(1)
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = nc.Write([]byte("-ERR max number of clients reached\r\n"))
		nc.Close()
		return
	}
	s.lastID++
	c := newConn(s, nc, s.lastID)
	s.conns[c] = true
	if !s.toLoop(c) {
		s.wg.Go(c.serve)
	}
	s.mu.Unlock()
	s.stats.accepted.Add(1)
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// clients returns the connections in the order of their ids.
func (s *Server) clients() []*conn {
	s.mu.Lock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	sortConns(all)
	return all
}

// Close ends the server: it takes no more connections, lets each one finish what has arrived, for five seconds
// at most, and closes them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.stop()
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.hurry()
	}
	for _, l := range s.loops {
		l.wake()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	late := time.NewTimer(5 * time.Second)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
	}
	s.mu.Lock()
	for c := range s.conns {
		c.shut()
	}
	s.mu.Unlock()
	<-done
	return nil
}

// sweepEvery is the time between two rounds.
func (s *Server) sweepEvery() time.Duration {
	every := min(s.cfg.SlowTimeout/4, time.Second)
	if s.cfg.IdleTimeout > 0 {
		every = min(every, s.cfg.IdleTimeout/4)
	}
	return max(every, time.Millisecond)
}

// sweep closes connections that do nothing for too long. It does so by counting rounds, so that a command need not
// look at the clock.
func (s *Server) sweep() {
	every := s.sweepEvery()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		now := s.tick.Add(1)
		s.mu.Lock()
		for c := range s.conns {
			c.sweep(now, every)
		}
		s.mu.Unlock()
	}
}
