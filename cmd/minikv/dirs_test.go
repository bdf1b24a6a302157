package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func appWith(env map[string]string) *app {
	a := newApp()
	a.getenv = func(k string) string { return env[k] }
	return a
}

func TestDirs(t *testing.T) {
	d, err := appWith(map[string]string{"HOME": "/home/x"}).dataDir()
	require.NoError(t, err)
	require.Equal(t, "/home/x/.local/share/minikv", d)
	d, err = appWith(map[string]string{"HOME": "/home/x", "XDG_DATA_HOME": "/data"}).dataDir()
	require.NoError(t, err)
	require.Equal(t, "/data/minikv", d)
	d, err = appWith(map[string]string{"HOME": "/home/x", "XDG_DATA_HOME": "relative/is/ignored"}).dataDir()
	require.NoError(t, err)
	require.Equal(t, "/home/x/.local/share/minikv", d)
	require.Equal(t, "/run/user/7/minikv", appWith(map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}).runtimeDir())
	t.Setenv("TMPDIR", "/elsewhere")
	require.Regexp(t, `^/elsewhere/minikv-\d+$`, appWith(nil).runtimeDir())
}

// TestPrivateDir: among the temporary files anybody could have put a directory of our name.
func TestPrivateDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "minikv")
	require.NoError(t, makePrivateDir(dir))
	require.NoError(t, makePrivateDir(dir), "again")
	require.NoError(t, os.Chmod(dir, 0o755))
	require.ErrorContains(t, makePrivateDir(dir), "not a directory of yours with mode 0700")
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Symlink(t.TempDir(), dir))
	require.ErrorContains(t, makePrivateDir(dir), "not a directory of yours with mode 0700")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Error(t, makePrivateDir(filepath.Join(file, "minikv")))
}

func TestMemorySocketSweepsDeadOnes(t *testing.T) {
	run := t.TempDir()
	require.NoError(t, os.Chmod(run, 0o700))
	a := appWith(map[string]string{"XDG_RUNTIME_DIR": run})
	dead := filepath.Join(run, "minikv", "1.sock")
	require.NoError(t, os.Mkdir(filepath.Dir(dead), 0o700))
	require.NoError(t, os.WriteFile(dead, nil, 0o600))
	addr, err := a.memorySocket()
	require.NoError(t, err)
	require.Regexp(t, `/minikv/\d+\.sock$`, addr.Path)
	require.NoFileExists(t, dead)
}

// TestCheckDir: the files of a node are not strewn among others.
func TestCheckDir(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, checkDir(filepath.Join(dir, "new")))
	require.NoError(t, checkDir(dir), "empty")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, socketName), nil, 0o600))
	require.NoError(t, checkDir(dir), "as good as empty")
	file := filepath.Join(dir, "letter.txt")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, checkDir(dir), `holds no node's data, but "letter.txt"; give an empty or a new directory`)
	require.ErrorContains(t, checkDir(file), "data directory")
	for _, ours := range []string{"identity.key", "MANIFEST-000001"} {
		path := filepath.Join(dir, ours)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, checkDir(dir), ours)
		require.NoError(t, os.Remove(path))
	}
}
