package admin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Addr says where a node's admin API is: a unix socket or a loopback TCP address. The zero Addr is not usable; see [ParseAddr].
type Addr struct {
	Network string // "unix" or "tcp"
	Path    string // a socket's path, or host:port
}

// String gives the form that [ParseAddr] reads and that MINIKV_ADDR takes.
func (a Addr) String() string {
	if a.Network == "unix" {
		return "unix:" + a.Path
	}
	return a.Path
}

// ErrAddr is in the chain of every error of [ParseAddr].
var ErrAddr = errors.New("bad admin address")

// ParseAddr reads unix:PATH, a bare path that begins with / or ., or HOST:PORT where HOST is a loopback address or localhost.
// Any other host is refused: the admin API asks nobody who they are, so it must not be reachable from outside the machine.
func ParseAddr(s string) (Addr, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok || strings.HasPrefix(s, "/") || strings.HasPrefix(s, ".") {
		if path = strings.TrimPrefix(path, "//"); path == "" || strings.ContainsRune(path, 0) {
			return Addr{}, fmt.Errorf("%w %q: give the socket's path, as in unix:/run/user/1000/minikv.sock", ErrAddr, s)
		}
		return Addr{Network: "unix", Path: path}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		return Addr{}, fmt.Errorf("%w %q: give unix:PATH or HOST:PORT, as in unix:/tmp/minikv.sock or 127.0.0.1:7421", ErrAddr, s)
	}
	if host == "localhost" {
		return Addr{Network: "tcp", Path: s}, nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return Addr{}, fmt.Errorf("%w %q: the admin API has no passwords and is served on loopback only; use 127.0.0.1:%s or a unix socket", ErrAddr, s, port)
	}
	return Addr{Network: "tcp", Path: s}, nil
}
