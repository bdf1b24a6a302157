package server_test

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

func unixAddr(path string) admin.Addr { return admin.Addr{Network: "unix", Path: path} }

func TestListenUnix(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "deep", "down", "admin.sock")
	l, err := server.Listen(ctx, unixAddr(path))
	require.NoError(t, err)
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	dir, err := os.Lstat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), dir.Mode().Perm())
	rest, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, rest, 1, "no temporary names are left")

	_, err = server.Listen(ctx, unixAddr(path))
	require.ErrorIs(t, err, server.ErrInUse)
	require.NoError(t, l.Close())
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, l.Close(), net.ErrClosed, "again: nothing more to remove")
}

func TestListenReplacesADeadSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	l, err := server.Listen(context.Background(), unixAddr(path))
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestListenLeavesOthersAlone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	_, err := server.Listen(context.Background(), unixAddr(file))
	require.ErrorContains(t, err, "something else of that name")

	// A socket that took our name meanwhile stays when we close.
	path := filepath.Join(dir, "admin.sock")
	l, err := server.Listen(context.Background(), unixAddr(path))
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	other, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, l.Close())
	_, err = os.Lstat(path)
	require.NoError(t, err)
}

func TestListenErrors(t *testing.T) {
	ctx := context.Background()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := server.Listen(ctx, unixAddr(filepath.Join(file, "admin.sock")))
	require.Error(t, err, "a file where the directory should be")
	_, err = server.Listen(ctx, admin.Addr{Network: "tcp", Path: "0.0.0.0:0"})
	require.ErrorIs(t, err, admin.ErrAddr)
	l, err := server.Listen(ctx, admin.Addr{Network: "tcp", Path: "127.0.0.1:0"})
	require.NoError(t, err)
	defer l.Close()
	_, err = server.Listen(ctx, admin.Addr{Network: "tcp", Path: l.Addr().String()})
	require.ErrorContains(t, err, "admin address "+l.Addr().String())
}

// TestListenBeyondThePathLimit: the kernel takes 107 bytes of path.
func TestListenBeyondThePathLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("long-name/", 15), "admin.sock")
	l, err := server.Listen(context.Background(), unixAddr(path))
	if runtime.GOOS != "linux" {
		require.ErrorIs(t, err, admin.ErrAddr)
		return
	}
	require.NoError(t, err)
	defer l.Close()
	c, err := unixAddr(path).DialContext(context.Background())
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, err = server.Listen(context.Background(), unixAddr(path))
	require.ErrorIs(t, err, server.ErrInUse)
	_, err = server.Listen(context.Background(), unixAddr(filepath.Join(t.TempDir(), strings.Repeat("n", 200))))
	require.ErrorContains(t, err, "is too long; at most 80 bytes")
}
