package minikv

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

// A memo is a small text file in a node's directory that the node can do without: it may be deleted. Its first line names the
// format.

const maxMemo = 1 << 20 // bytes

// readMemo returns what follows the first line, which must be head; "" if there is no such file.
func readMemo(path, head string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMemo))
	if err != nil {
		return "", err
	}
	first, rest, _ := strings.Cut(string(b), "\n")
	if first != head {
		return "", detailf(ErrBadFormat, "%s begins with %.40q, not with %q", path, first, head)
	}
	return rest, nil
}

// writeMemo puts text after the first line.
func writeMemo(path, head, text string) error { return writeFile(path, []byte(head+"\n"+text)) }
