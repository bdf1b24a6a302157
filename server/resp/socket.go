package resp

import (
	"net"
	"sync"
	"time"
)

// socket is the way to a client. One that a goroutine of its own serves is a net.Conn; one in a loop is a bare file
// descriptor, which Go's poller does not know of: it would be woken for each command in vain.
type socket struct {
	mu   sync.Mutex // guards changes of what follows, and what others do to it
	nc   net.Conn   // nil: in a loop, or closed
	fd   int        // where loop is set
	loop *loop
}

// inLoop may be called by whoever serves the connection.
func (s *socket) inLoop() bool { return s.loop != nil }

// shut closes the connection for the client; whoever serves it finds out and ends it.
func (s *socket) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.nc != nil:
		s.nc.Close()
	case s.loop != nil:
		shutdown(s.fd)
	}
}

// close gives the socket back. To be called by whoever serves the connection.
func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.nc != nil:
		s.nc.Close()
	case s.loop != nil:
		s.loop.forget(s.fd)
		s.loop = nil
	}
}

// hurry ends the wait for the next command, for the server is being closed.
func (s *socket) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hurryLocked()
}

func (s *socket) hurryLocked() {
	if s.nc != nil {
		_ = s.nc.SetReadDeadline(time.Now())
	}
}
