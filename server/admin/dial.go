package admin

import (
	"context"
	"net"
)

// maxSocketPath is what the kernels of Linux and the BSDs (104) take in sockaddr_un.sun_path, its final zero excluded.
const maxSocketPath = 103

// DialContext connects to a. Socket paths longer than the system's limit work where the system offers a way (Linux).
func (a Addr) DialContext(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if a.Network != "unix" || len(a.Path) <= maxSocketPath {
		return d.DialContext(ctx, a.Network, a.Path)
	}
	short, done, err := ShortSocketPath(a.Path)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.DialContext(ctx, a.Network, short)
}
