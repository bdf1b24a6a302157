package resp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

// CheckAddr says whether [Listen] would refuse an address as it is written, or for want of a password. It opens nothing.
func CheckAddr(addr, password string) error {
	if strings.HasPrefix(addr, "unix:") {
		return nil
	}
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return fmt.Errorf("resp: %q is no address (%w); use HOST:PORT, as 127.0.0.1:6380, or unix:PATH", addr, err)
	}
	return mayListen(tcp, password)
}

// Listen opens the address of a server: HOST:PORT, or unix:PATH for a socket that is open to its owner alone. An
// address that other machines reach needs a password.
func Listen(ctx context.Context, addr, password string) (net.Listener, error) {
	if err := CheckAddr(addr, password); err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		l, err := server.Listen(ctx, admin.Addr{Network: "unix", Path: path})
		if err != nil {
			return nil, fmt.Errorf("resp: %w", err)
		}
		return l, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("resp: %w", err)
	}
	if err := mayListen(l.Addr(), password); err != nil { // a name that means something else by now
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// ErrNoPassword: an address that other machines reach was given, and no password.
var ErrNoPassword = errors.New("a Redis address that other machines reach needs a password")

// mayListen refuses an address that other machines reach without a password.
func mayListen(addr net.Addr, password string) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || password != "" || tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("resp: %s: %w; give one, or use 127.0.0.1:%d", addr, ErrNoPassword, tcp.Port)
}

func isOutOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

func sortConns(all []*conn) {
	slices.SortFunc(all, func(a, b *conn) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
}
