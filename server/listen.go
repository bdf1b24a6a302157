package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/minikv/minikv/server/admin"
)

// ErrInUse is in the chain of the error of [Listen] when another node answers at the address.
var ErrInUse = errors.New("another node answers there")

// Listen opens the address of an admin API. A unix socket is open to its owner alone (mode 0600); its directory is made if it is missing
// (0700). A socket left behind by a process that died is replaced, one that is answered at is not. Closing the listener removes the socket.
func Listen(ctx context.Context, a admin.Addr) (net.Listener, error) {
	if a.Network == "unix" {
		return listenUnix(ctx, a)
	}
	checked, err := admin.ParseAddr(a.Path) // loopback only, however a was made
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", checked.Path)
	if err != nil {
		return nil, fmt.Errorf("admin address %s: %w", a, err)
	}
	return l, nil
}

// listenUnix binds inside a directory that nobody else may enter, sets the mode, and only then moves the socket to its place: there is
// no moment at which another user could connect.
func listenUnix(ctx context.Context, a admin.Addr) (net.Listener, error) {
	if err := clearStale(ctx, a); err != nil {
		return nil, err
	}
	dir := filepath.Dir(a.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory of the admin socket: %w", err)
	}
	if err := reachable(a.Path); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	tmp, err := os.MkdirTemp(dir, ".sock")
	if err != nil {
		return nil, fmt.Errorf("admin socket %s: %w", a.Path, err)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "s")
	l, err := bind(ctx, made)
	if err != nil {
		return nil, fmt.Errorf("admin socket %s: %w", a.Path, err)
	}
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, a.Path)); err != nil {
		l.Close()
		return nil, fmt.Errorf("admin socket %s: %w", a.Path, err)
	}
	info, err := os.Lstat(a.Path)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("admin socket %s: %w", a.Path, err)
	}
	return &socket{UnixListener: l, path: a.Path, info: info}, nil
}

// reachable makes sure that clients will be able to name the socket.
func reachable(path string) error {
	_, done, err := admin.ShortSocketPath(path)
	if err == nil {
		done()
	}
	return err
}

func bind(ctx context.Context, path string) (*net.UnixListener, error) {
	short, done, err := admin.ShortSocketPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", short)
	if err != nil {
		return nil, err
	}
	ul := l.(*net.UnixListener)
	ul.SetUnlinkOnClose(false) // it would remove a name that is not the socket's any more
	return ul, nil
}

// clearStale makes sure that nothing but a dead socket is at the address.
func clearStale(ctx context.Context, a admin.Addr) error {
	info, err := os.Lstat(a.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("admin socket %s: there is something else of that name; move it away or choose another with --admin", a.Path)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if c, err := a.DialContext(ctx); err == nil {
		c.Close()
		return fmt.Errorf("admin socket %s: %w; stop it, or give this one its own with --admin or --dir", a.Path, ErrInUse)
	} else if !dead(err) {
		return fmt.Errorf("admin socket %s: cannot tell whether it is in use: %w", a.Path, err)
	}
	return nil
}

// socket is a listener that removes its socket, unless the name belongs to another by now.
type socket struct {
	*net.UnixListener
	path string
	info fs.FileInfo
	once sync.Once
}

// Addr is where clients reach it: the kernel still tells the name under which it was made.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

func (s *socket) Close() error {
	err := s.UnixListener.Close()
	s.once.Do(func() {
		if now, e := os.Lstat(s.path); e == nil && os.SameFile(now, s.info) {
			_ = os.Remove(s.path) // left behind it does no harm: the next start finds it dead
		}
	})
	return err
}

// dead tells whether a dial failed because nobody listens any more.
func dead(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}
