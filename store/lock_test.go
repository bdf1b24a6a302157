package store_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/store"
)

// lockFS is a file system whose locks fail.
type lockFS struct {
	vfs.FS
	err error
}

func (l lockFS) Lock(string) (io.Closer, error) { return nil, l.err }

func TestALockThatCannotBeMadeIsNobodys(t *testing.T) {
	_, err := store.Open("data", store.Options{FS: lockFS{vfs.NewMem(), &fs.PathError{Op: "open", Path: "data/LOCK", Err: fs.ErrPermission}}})
	require.ErrorIs(t, err, store.ErrFailed)
	require.NotErrorIs(t, err, store.ErrInUse)
	_, err = store.Open("data", store.Options{FS: lockFS{vfs.NewMem(), syscall.EAGAIN}})
	require.ErrorIs(t, err, store.ErrInUse)
}

// A directory has one user, under whatever name the next one asks for it.
func TestOneUserWhateverTheName(t *testing.T) {
	at := t.TempDir()
	t.Chdir(at)
	s, err := store.Open("data", store.Options{})
	require.NoError(t, err)
	require.NoError(t, os.Symlink("data", "other"))
	for _, name := range []string{"data", "./data", "other", "data/../other", filepath.Join(at, "data"), filepath.Join(at, "other")} {
		_, err := store.Open(name, store.Options{})
		require.ErrorIs(t, err, store.ErrInUse, name)
		_, err = store.Check(t.Context(), name, store.Options{}, func(string) []byte { return nil }, false)
		require.ErrorIs(t, err, store.ErrInUse, name)
	}
	t.Chdir(t.TempDir())
	require.NoError(t, s.SetNote("note", nil))
	require.NoError(t, s.Compact(t.Context()), "it finds its files wherever the process stands")
	require.NoError(t, s.Close())
	_, err = os.Stat("data")
	require.ErrorIs(t, err, fs.ErrNotExist)
}
