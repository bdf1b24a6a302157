package store_test

import "github.com/cockroachdb/pebble/v2/vfs"

// crashable is a file system in memory that may be cloned at any moment, by any
// goroutine. MemFS itself may not: its ReuseForWrite takes a read lock twice, and
// waits for ever when CrashClone asks for the lock in between.
type crashable struct{ *vfs.MemFS }

// ReuseForWrite implements vfs.FS.
func (c crashable) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := c.Rename(old, name); err != nil {
		return nil, err
	}
	return c.OpenReadWrite(name, category)
}
