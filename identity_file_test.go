package minikv_test

import (
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// idOf opens a node in dir, and closes it.
func idOf(t *testing.T, dir string, cfg minikv.Config) minikv.PeerID {
	t.Helper()
	n := openIn(t, dir, cfg)
	require.NoError(t, n.Close())
	return n.ID()
}

func TestADirectoryHasAnIdentity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	id := idOf(t, dir, minikv.Config{})
	require.Equal(t, id, idOf(t, dir, minikv.Config{}))
	path := filepath.Join(dir, "identity.key")
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}

	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	given := idOf(t, dir, minikv.Config{Identity: key})
	require.NotEqual(t, id, given)
	require.Equal(t, id, idOf(t, dir, minikv.Config{}), "one that is given is not kept")

	require.NoError(t, os.Remove(path))
	require.NotEqual(t, id, idOf(t, dir, minikv.Config{}), "without its key it is another node")
}

func TestBadIdentityFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "identity.key")
	for name, content := range map[string]string{
		"empty": "", "rubbish": "rubbish", "too long": string(make([]byte, 65<<10)),
		"another kind": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := minikv.Open(context.Background(), dir, minikv.Config{})
		require.ErrorIs(t, err, minikv.ErrCorrupt, name)
		require.ErrorContains(t, err, path, name)
	}
	if runtime.GOOS == "windows" {
		return
	}
	require.NoError(t, os.Chmod(path, 0o640))
	_, err := minikv.Open(context.Background(), dir, minikv.Config{})
	require.ErrorIs(t, err, minikv.ErrStorage)
	require.ErrorContains(t, err, "others may read it (mode 0640)")
}

// What fails leaves the directory free.
func TestAFailedOpenLetsGoOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "identity.key")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := minikv.Open(context.Background(), dir, minikv.Config{})
	require.Error(t, err)
	require.NoError(t, os.Remove(path))
	openIn(t, dir, minikv.Config{})
}

func TestADirectoryKeepsTheOptionsOfARegistry(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	n := openIn(t, dir, minikv.Config{})
	_, err := n.Registry(ctx, "followed", minikv.Public(), minikv.ReadOnly())
	require.NoError(t, err)
	_, err = n.Registry(ctx, "short lived", minikv.Public(), minikv.DefaultTTL(time.Hour))
	require.NoError(t, err)
	require.NoError(t, n.Close())

	n = openIn(t, dir, minikv.Config{})
	require.Equal(t, []string{"followed", "short lived"}, n.Kept())
	r, err := n.Registry(ctx, "followed")
	require.NoError(t, err)
	_, err = r.Put(ctx, "k", nil)
	require.ErrorIs(t, err, minikv.ErrReadOnly)
	r, err = n.Registry(ctx, "short lived")
	require.NoError(t, err)
	put(t, r, "k", "v")
	_, expires, err := r.TTL(ctx, "k")
	require.NoError(t, err)
	require.True(t, expires)
	require.NoError(t, n.Close())

	n = openIn(t, dir, minikv.Config{})
	r, err = n.Registry(ctx, "followed", minikv.DefaultTTL(time.Minute)) // given options are all there are
	require.NoError(t, err)
	put(t, r, "k", "v")
}
