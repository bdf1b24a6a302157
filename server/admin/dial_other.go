//go:build !linux

package admin

import "fmt"

// ShortSocketPath refuses a path that is longer than the system's limit; there is no portable way around it.
func ShortSocketPath(path string) (short string, done func(), err error) {
	if len(path) > maxSocketPath {
		return "", nil, fmt.Errorf("%w: the socket's path has %d bytes and this system takes %d; use a shorter one or 127.0.0.1:PORT",
			ErrAddr, len(path), maxSocketPath)
	}
	return path, func() {}, nil
}
