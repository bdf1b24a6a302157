package store_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/store"
)

// roomFS is a file system with so much room.
type roomFS struct {
	vfs.FS
	room atomic.Uint64 // bytes
}

func (fs *roomFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: fs.room.Load(), TotalBytes: 1 << 40}, nil
}

// Others fill the disk, too: a full one is noticed soon, however few writes there are, and so is room.
func TestAFullDiskIsNoticedSoon(t *testing.T) {
	fs := &roomFS{FS: vfs.NewMem()}
	fs.room.Store(1 << 30)
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	require.NoError(t, s.Writable())
	fs.room.Store(10 << 20)
	began := time.Now()
	require.Eventually(t, func() bool { return s.Writable() != nil }, time.Second, time.Millisecond)
	t.Log("noticed after", time.Since(began))
	require.ErrorIs(t, s.Writable(), store.ErrFull)
	require.ErrorContains(t, s.Writable(), "10 MiB left")
	fs.room.Store(1 << 30)
	require.NoError(t, s.Writable(), "at once")
	require.NoError(t, s.Close())
}

// A directory that is taken away is noticed before much is written to files that nobody will find.
func TestADirectoryThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := store.Open(dir, store.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Writable())
	require.NoError(t, os.Rename(dir, dir+".away"))
	require.Eventually(t, func() bool { return s.Writable() != nil }, time.Second, time.Millisecond)
	for range 3 {
		require.ErrorIs(t, s.Writable(), store.ErrFailed)
		require.ErrorContains(t, s.Writable(), "is gone")
	}
	require.NoError(t, os.Rename(dir+".away", dir))
	require.NoError(t, s.Writable(), "at once")
	require.NoError(t, s.Close())
}
