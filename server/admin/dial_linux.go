package admin

import (
	"fmt"
	"os"
	"path/filepath"
)

// ShortSocketPath names the socket at path within the 108 bytes that the kernel has for it, by way of a descriptor of its
// directory. The name is good until done is called; the file's own name may not exceed 80 bytes.
func ShortSocketPath(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if len(short) > maxSocketPath {
		dir.Close()
		return "", nil, fmt.Errorf("%w: the socket's name %q is too long; at most 80 bytes", ErrAddr, filepath.Base(path))
	}
	return short, func() { dir.Close() }, nil
}
