package store_test

import (
	"io"
	"io/fs"
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
