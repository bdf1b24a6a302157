package server

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
)

// TokenFile is the name of the file in a node's directory that holds the token of the web side.
const TokenFile = "http.token"

// ReadToken reads a token from a file, which nobody but its owner may be able to read: mode 0600 or less. White space around it does
// not count. fs.ErrNotExist is in the chain of the error when there is no such file.
func ReadToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("file of the token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("file of the token: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return "", fmt.Errorf("%s can be read or written by others (mode %04o): chmod 600 it, and better make a new token", path, mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", fmt.Errorf("file of the token: %w", err)
	}
	token := bytes.TrimSpace(b)
	switch {
	case len(b) > maxTokenFile:
		return "", fmt.Errorf("%s has more than %d bytes: it should hold one token", path, maxTokenFile)
	case len(token) < MinTokenLen:
		return "", fmt.Errorf("%s: the token has %d bytes; it needs %d or more, and they should be random", path, len(token), MinTokenLen)
	case bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%s: the token has characters that cannot travel in a header; use letters and digits", path)
	}
	return string(token), nil
}

const maxTokenFile = 4 << 10
