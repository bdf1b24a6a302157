package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

const socketName = "admin.sock"

// defaultDirText says where dataDir is, for people.
const defaultDirText = "~/.local/share/minikv; on macOS ~/Library/Application Support/minikv, on Windows %LocalAppData%\\minikv"

// dataDir is where serve lives by default: $XDG_DATA_HOME/minikv, else where the platform keeps data of programs.
func (a *app) dataDir() (string, error) {
	if d := a.getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "minikv"), nil
	}
	if d := a.getenv("LOCALAPPDATA"); runtime.GOOS == "windows" && filepath.IsAbs(d) {
		return filepath.Join(d, "minikv"), nil
	}
	home := a.getenv("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", fmt.Errorf("no home directory (%w): name one with --dir, or use --memory", err)
		}
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "minikv"), nil
	}
	return filepath.Join(home, ".local", "share", "minikv"), nil
}

// checkDir refuses a directory that holds anything, but nothing of a node: its files would be strewn among what is there.
func checkDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w; choose another with --dir, or use --memory", err)
	}
	strange := ""
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "identity.key" || strings.HasPrefix(name, "MANIFEST-"):
			return nil
		case name != socketName && name != server.TokenFile && name != "LOCK" && name != "lost+found" && !strings.HasPrefix(name, "."):
			strange = name
		}
	}
	if strange != "" {
		return fmt.Errorf("%s holds no node's data, but %q; give an empty or a new directory with --dir", dir, strange)
	}
	return nil
}

// makeDir makes the directory of a node, and makes sure that files can be made in it.
func makeDir(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	var f *os.File
	if err == nil {
		f, err = os.CreateTemp(dir, ".minikv-*")
	}
	if err != nil {
		return fmt.Errorf("data directory: %w; give one that can be written with --dir, or use --memory", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// runtimeDir is where nodes without a directory have their sockets: $XDG_RUNTIME_DIR/minikv, else minikv-UID among the temporary files.
func (a *app) runtimeDir() string {
	if d := a.getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		return filepath.Join(d, "minikv")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("minikv-%d", os.Getuid()))
}

// makePrivateDir makes a directory that its owner alone may enter. One that is there already has to be such: among the
// temporary files anybody could have made it.
func makePrivateDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o700)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ownedByUs(info) {
		return fmt.Errorf("%s is not a directory of yours with mode 0700; remove it, or choose the socket's place with --admin", dir)
	}
	return nil
}

// memorySocket chooses the socket of a node without a directory, and sweeps away those of dead ones.
func (a *app) memorySocket() (admin.Addr, error) {
	dir := a.runtimeDir()
	if err := makePrivateDir(dir); err != nil {
		return admin.Addr{}, fmt.Errorf("directory of the admin socket: %w", err)
	}
	for _, addr := range socketsIn(dir) {
		if !answers(addr) {
			os.Remove(addr.Path)
		}
	}
	return admin.Addr{Network: "unix", Path: filepath.Join(dir, fmt.Sprintf("%d.sock", os.Getpid()))}, nil
}

func socketsIn(dir string) (out []admin.Addr) {
	names, _ := filepath.Glob(filepath.Join(dir, "*.sock"))
	for _, n := range names {
		out = append(out, admin.Addr{Network: "unix", Path: n})
	}
	return out
}

func answers(addr admin.Addr) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := addr.DialContext(ctx)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// nodeAddr is where the client commands go: --addr, MINIKV_ADDR, the default data directory, or the one node in memory that runs.
func (a *app) nodeAddr() (admin.Addr, error) {
	for _, s := range []string{a.addr, a.getenv("MINIKV_ADDR")} {
		if s == "" {
			continue
		}
		addr, err := admin.ParseAddr(s)
		if err != nil {
			return admin.Addr{}, &usageError{err}
		}
		return addr, nil
	}
	dir, err := a.dataDir()
	def := admin.Addr{Network: "unix", Path: filepath.Join(dir, socketName)}
	if err == nil && answers(def) {
		return def, nil
	}
	var found []string
	var one admin.Addr
	for _, addr := range socketsIn(a.runtimeDir()) {
		if answers(addr) {
			one = addr
			found = append(found, addr.String())
		}
	}
	switch {
	case len(found) == 1:
		return one, nil
	case len(found) > 1:
		return admin.Addr{}, usagef("%d nodes run here: choose one with --addr or MINIKV_ADDR: %s", len(found), strings.Join(found, ", "))
	}
	return def, err
}
