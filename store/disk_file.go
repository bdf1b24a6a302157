package store

import "github.com/cockroachdb/pebble/v2/vfs"

// file is a file or directory of the disk that the engine writes.
type file struct {
	vfs.File
	d          *disk
	name       string
	table, dir bool
	log        uint64 // number of a log, zero if it is none
	manifest   bool
	written    int64
	ahead      ahead // of a log
}

func newFile(f vfs.File, d *disk, name string) *file {
	base := d.FS.PathBase(name)
	return &file{File: f, d: d, name: base, table: isTable(base), log: logNumber(base), manifest: manifestNumber(base) != 0}
}

// do writes to the disk, and decides what the engine hears of it.
func (f *file) do(fn func() error) error {
	if f.d.stopped() {
		if f.table {
			return errStopped // it will write another, to memory
		}
		return nil
	}
	err := fn()
	if err == nil {
		return nil
	}
	if f.table {
		f.d.tableFailed(err)
		return err
	}
	f.d.lost(err)
	return nil
}

func (f *file) Write(p []byte) (n int, err error) {
	n = len(p)
	err = f.do(func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	f.written += int64(n)
	if f.log != 0 && !f.d.stopped() {
		f.ahead.wrote(f.File, n, f.written)
	}
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *file) WriteAt(p []byte, at int64) (n int, err error) {
	n = len(p)
	err = f.do(func() (err error) {
		n, err = f.File.WriteAt(p, at)
		return err
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *file) Sync() error {
	length := f.written
	return f.do(func() error { return f.synced(f.File.Sync(), length) })
}

func (f *file) SyncData() error {
	length := f.written
	return f.do(func() error { return f.synced(f.File.SyncData(), length) })
}

func (f *file) SyncTo(length int64) (full bool, err error) {
	err = f.do(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

func (f *file) synced(err error, length int64) error {
	f.ahead.since = 0
	if err == nil {
		f.d.floor.synced(f)
		f.d.log.synced(f, length)
	}
	return err
}

func (f *file) Preallocate(offset, length int64) error {
	if f.d.stopped() {
		return nil
	}
	return f.File.Preallocate(offset, length) // only a hint
}

func (f *file) Close() error {
	if f.log != 0 && !f.d.stopped() {
		f.ahead.cut(f.File, f.written)
	}
	err := f.File.Close()
	return f.do(func() error { return err })
}

// spareFile is written to memory after a failure.
type spareFile struct {
	vfs.File
	d *disk
}

func (f *spareFile) Write(p []byte) (int, error) {
	if f.d.room.Add(-int64(len(p))) < 0 {
		return 0, errStopped
	}
	return f.File.Write(p)
}

// tableReader reads one of the engine's tables.
type tableReader struct {
	vfs.File
	d *disk
}

func (f *tableReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	if err != nil {
		f.d.slow()
	}
	return n, err
}
