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

func TestIdentity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	id, err := openIdentity(dir)
	require.NoError(t, err)
	_, err = openIdentity(dir)
	require.ErrorContains(t, err, "another process uses this directory")
	require.NoError(t, id.Close())
	again, err := openIdentity(dir)
	require.NoError(t, err)
	require.Equal(t, id.key, again.key)
	require.NoError(t, again.Close())

	path := filepath.Join(dir, identityName)
	for name, content := range map[string]string{
		"rubbish": "rubbish", "another kind": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "too long": string(make([]byte, 65<<10)),
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err = openIdentity(dir)
		require.ErrorContains(t, err, "not an ed25519 private key in PEM", name)
	}
	require.NoError(t, os.Chmod(path, 0o640))
	_, err = openIdentity(dir)
	require.ErrorContains(t, err, "others may read it (mode 0640)")
	_, err = openIdentity(path)
	require.ErrorContains(t, err, "data directory")
}
