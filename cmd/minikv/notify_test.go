package main

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSupervisorIsTold plays systemd.
func TestSupervisorIsTold(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "notify.sock")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	told := func() string {
		b := make([]byte, 100)
		require.NoError(t, l.SetReadDeadline(time.Now().Add(procWait)))
		n, err := l.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
	p, err := startProc(dir, "n", append(os.Environ(), "HOME="+dir, "NOTIFY_SOCKET="+name))
	require.NoError(t, err)
	require.Equal(t, "READY=1", told())
	require.NoError(t, p.stop(syscall.SIGTERM))
	require.Equal(t, "STOPPING=1", told())
}
