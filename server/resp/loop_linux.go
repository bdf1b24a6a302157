package resp

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// loop serves many connections in one goroutine, round by round: it asks the kernel which of them have sent something,
// runs what has come, and writes all answers. So a command costs one read and one write where the goroutine of a
// connection would need a second read, which finds nothing, and be put to sleep and woken; and SETs of different
// clients are written in one batch. A command that may take long does not run here: its connection gets a goroutine of
// its own, for good.
type loop struct {
	s      *Server
	epoll  int
	bell   [2]int // a pipe: what is written to it wakes the loop
	events [128]syscall.EpollEvent
	ready  []*conn
	run    setRun

	mu    sync.Mutex
	conns map[int]*conn // by file descriptor
}

// newLoops returns n loops, which are not open yet.
func newLoops(s *Server, n int) (all []*loop) {
	for range n {
		all = append(all, &loop{s: s, epoll: -1, bell: [2]int{-1, -1}, conns: map[int]*conn{}})
	}
	return all
}

// startLoops opens and starts them; the server is locked.
func (s *Server) startLoops() {
	for i, l := range s.loops {
		if err := l.open(); err != nil {
			s.cfg.Logger.Warn("there are fewer loops for Redis clients, or none", "loops", i, "err", err)
			s.loops = s.loops[:i]
			break
		}
	}
	for _, l := range s.loops {
		s.wg.Go(l.serve)
	}
}

func (l *loop) open() (err error) {
	if l.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err = syscall.Pipe2(l.bell[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		l.close()
		return os.NewSyscallError("pipe2", err)
	}
	if err = l.watch(l.bell[0]); err != nil {
		l.close()
	}
	return err
}

// close gives back what open took; the server is locked, so that nobody rings the bell meanwhile.
func (l *loop) close() {
	for _, fd := range []*int{&l.epoll, &l.bell[0], &l.bell[1]} {
		if *fd >= 0 {
			syscall.Close(*fd)
			*fd = -1
		}
	}
}

func (l *loop) watch(fd int) error {
	err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
	return os.NewSyscallError("epoll_ctl", err)
}

// wake ends the wait of the loop. The server is locked.
func (l *loop) wake() {
	if l.bell[1] >= 0 {
		_, _ = syscall.Write(l.bell[1], []byte{0})
	}
}

// toLoop hands a new connection to a loop, and says whether it could. The server is locked.
func (s *Server) toLoop(c *conn) bool {
	if len(s.loops) == 0 {
		return false
	}
	return s.loops[c.id%uint64(len(s.loops))].add(c)
}

// add takes the connection's file descriptor away from Go's poller and waits for what it sends.
func (l *loop) add(c *conn) bool {
	fd, ok := duplicate(c.nc)
	if !ok {
		return false
	}
	nc := c.nc
	c.nc, c.fd, c.loop, c.run = nil, fd, l, &l.run
	c.waitForMore()
	l.mu.Lock()
	l.conns[fd] = c
	l.mu.Unlock()
	if l.watch(fd) != nil {
		l.forget(fd)
		c.nc, c.loop, c.run = nc, nil, new(setRun)
		return false
	}
	nc.Close() // the duplicate stays
	return true
}

func duplicate(nc net.Conn) (fd int, ok bool) {
	sc, isSocket := nc.(syscall.Conn)
	if !isSocket {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	var errno syscall.Errno
	err = raw.Control(func(from uintptr) {
		var to uintptr
		to, _, errno = syscall.Syscall(syscall.SYS_FCNTL, from, syscall.F_DUPFD_CLOEXEC, 0)
		fd = int(to)
	})
	return fd, err == nil && errno == 0
}

// len is the number of connections.
func (l *loop) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// forget closes a connection's file descriptor.
func (l *loop) forget(fd int) {
	l.mu.Lock()
	delete(l.conns, fd)
	l.mu.Unlock()
	syscall.Close(fd) // and the kernel forgets it, too
}

// leave gives a connection back to Go's poller, and says whether it could.
func (l *loop) leave(c *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, c.fd, nil)
	l.mu.Lock()
	delete(l.conns, c.fd)
	l.mu.Unlock()
	f := os.NewFile(uintptr(c.fd), "client")
	defer f.Close() // nc has a duplicate
	nc, err := net.FileConn(f)
	c.loop, c.run = nil, new(setRun)
	if err != nil {
		l.s.cfg.Logger.Warn("a Redis client was sent away", "from", c.remote, "err", err)
		return false
	}
	c.nc = nc
	if l.s.ctx.Err() != nil {
		c.hurryLocked()
	}
	return true
}

// serve runs the loop until the server is closed. Each connection is then answered what has come of it.
func (l *loop) serve() {
	defer l.end()
	for l.s.ctx.Err() == nil {
		n, err := syscall.EpollWait(l.epoll, l.events[:], -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			l.s.cfg.Logger.Error("Redis clients are served no more", "err", os.NewSyscallError("epoll_wait", err))
			break
		}
		l.pick(n)
		l.round()
	}
	l.mu.Lock()
	for _, c := range l.conns {
		l.ready = append(l.ready, c)
	}
	l.mu.Unlock()
	for _, c := range l.ready {
		c.last = true
	}
	l.round()
}

func (l *loop) end() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.close()
}

// pick finds the connections of the events.
func (l *loop) pick(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events[:max(n, 0)] {
		if c := l.conns[int(e.Fd)]; c != nil {
			l.ready = append(l.ready, c)
		}
	}
}

// round serves those that are ready.
func (l *loop) round() {
	for _, c := range l.ready {
		c.turn()
	}
	l.run.end()
	for _, c := range l.ready {
		c.rest()
	}
	clear(l.ready)
	l.ready = l.ready[:0]
}

// read fills the connection's reader; again is true where nothing has come.
func (l *loop) read(c *conn) (n int, again bool, err error) {
	n, err = c.in.fill((*descriptor)(&c.fd))
	return n, err == syscall.EAGAIN, err
}

// write writes what there is room for; again is true where that was not all.
func (l *loop) write(c *conn, b []byte) (n int, again bool, err error) {
	n, err = (*descriptor)(&c.fd).Write(b)
	if err == syscall.EAGAIN {
		return n, true, nil
	}
	return n, n < len(b) && err == nil, err
}

// descriptor reads and writes once, without waiting.
type descriptor int

func (d *descriptor) Read(b []byte) (int, error) { return once(syscall.Read, int(*d), b) }

func (d *descriptor) Write(b []byte) (int, error) { return once(syscall.Write, int(*d), b) }

func once(call func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := call(fd, b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func shutdown(fd int) { _ = syscall.Shutdown(fd, syscall.SHUT_RDWR) }
