package store

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system as the engine sees it. The engine cannot go on when
// its log or its manifest cannot be written: it panics, and not always where
// that can be caught. So it is never told. The first such failure stops the
// store instead: from then on nothing on the disk changes any more, as if the
// process had ended at that moment, and what the engine goes on writing stays in
// memory, where reads find it, until the store is closed. Whoever waits for a
// write is told, since [Store.Err] is asked after each.
//
// A table that cannot be written is no such failure. The engine still has the
// log and tries again; so it is told, at a pace.
type disk struct {
	vfs.FS
	s     *Store
	spare *vfs.MemFS // instead of the disk once the store has failed
	room  atomic.Int64
	floor manifestFloor
	log   logFloor
	reuse sync.Mutex    // of logs
	tight atomic.Bool   // a table could not be written for want of room
	stall atomic.Bool   // the engine makes a writer wait for a table
	bad   atomic.Int32  // tables in a row that could not be written or read
	ended chan struct{} // closed by Close
}

const (
	// spareRoom is how much the engine may write to memory after a failure: what
	// it held in memory before, and some tables merged.
	spareRoom = 256 << 20
	// tries is how often in a row the engine may fail to write a table.
	tries = 3
)

// pace is how long the engine rests after a failure of a table.
var pace = 250 * time.Millisecond

var errStopped = errors.New("the store has stopped")

func newDisk(s *Store, fs vfs.FS) *disk {
	d := &disk{FS: fs, s: s, spare: vfs.NewMem(), ended: make(chan struct{})}
	d.floor.d, d.log.d = d, d
	d.room.Store(spareRoom)
	return d
}

// stopped says whether the disk is to stay as it is.
func (d *disk) stopped() bool { return d.s.failed.Load() != nil }

// lost stops the store because of a failure the engine must not see.
func (d *disk) lost(err error) {
	if err != nil {
		d.s.fail(err)
	}
}

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// Create implements vfs.FS.
func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if isTable(name) {
		d.rest()
	}
	d.settle(name)
	if !d.stopped() {
		f, err := d.FS.Create(name, c)
		if err == nil {
			d.floor.created(name)
			return newFile(f, d, name), nil
		}
		if isTable(name) {
			d.tableFailed(err)
			return nil, err
		}
		d.lost(err)
	}
	return d.createSpare(name, c)
}

func (d *disk) createSpare(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if isTable(name) && d.room.Load() <= 0 {
		return nil, errStopped
	}
	if err := d.spare.MkdirAll(d.FS.PathDir(name), 0o700); err != nil {
		return nil, err
	}
	f, err := d.spare.Create(name, c)
	return &spareFile{f, d}, err
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if !d.stopped() {
		d.lost(d.floor.keep())
	}
	d.reuse.Lock()
	defer d.reuse.Unlock()
	if !d.stopped() {
		f, err := d.FS.ReuseForWrite(old, name, c)
		if err == nil {
			log := newFile(f, d, name)
			log.ahead.reused(f)
			return log, nil
		}
		d.lost(err)
	}
	return d.createSpare(name, c)
}

// Open implements vfs.FS.
func (d *disk) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	if d.stopped() {
		if f, err := d.spare.Open(name, o...); err == nil {
			return f, nil
		}
	}
	f, err := d.FS.Open(name, o...)
	if !isTable(name) {
		return f, err
	}
	if err != nil {
		d.slow()
		return nil, err
	}
	return &tableReader{f, d}, nil
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &file{File: f, d: d, dir: true}, nil
}

// Stat implements vfs.FS.
func (d *disk) Stat(name string) (vfs.FileInfo, error) {
	if d.stopped() {
		if i, err := d.spare.Stat(name); err == nil {
			return i, nil
		}
	}
	return d.FS.Stat(name)
}

// Lock implements vfs.FS.
func (d *disk) Lock(name string) (io.Closer, error) {
	if d.s.beside {
		return noLock{}, nil
	}
	return d.FS.Lock(name)
}

// noLock stands for a lock that another store holds.
type noLock struct{}

func (noLock) Close() error { return nil }

// settle makes the names in a directory durable before a marker comes or goes:
// the engine does so afterwards only, and a crash may keep any of the names. So
// whichever marker is kept, its manifest is, too.
func (d *disk) settle(name string) {
	if isMarker(d.FS.PathBase(name)) && !d.stopped() {
		d.lost(syncDir(d.FS, d.FS.PathDir(name)))
	}
}

// Remove implements vfs.FS.
func (d *disk) Remove(name string) error {
	d.settle(name)
	if !d.stopped() {
		d.lost(d.floor.keep())
	}
	if d.stopped() {
		_ = d.spare.Remove(name) // most are not there
		return nil
	}
	return d.FS.Remove(name)
}

// Rename implements vfs.FS.
func (d *disk) Rename(from, to string) error {
	if !d.stopped() {
		d.lost(d.FS.Rename(from, to))
	}
	if d.stopped() {
		_ = d.spare.Rename(from, to) // what is on the disk stays
	}
	return nil
}

// RemoveAll implements vfs.FS.
func (d *disk) RemoveAll(name string) error {
	if d.stopped() {
		return nil
	}
	return d.FS.RemoveAll(name)
}

// Link implements vfs.FS.
func (d *disk) Link(from, to string) error {
	if d.stopped() {
		return errStopped
	}
	return d.FS.Link(from, to)
}

// rest makes the engine wait before it tries again what has failed.
func (d *disk) rest() {
	if d.bad.Load() == 0 || d.stopped() {
		return
	}
	t := time.NewTimer(pace)
	defer t.Stop()
	select {
	case <-t.C:
	case <-d.ended:
	}
}

// slow slows down who reads a failing disk again and again, as the engine does in
// merging tables.
func (d *disk) slow() {
	if d.bad.Load() >= tries {
		time.Sleep(pace / 10)
	}
}

// tableFailed notes a failure that the engine is told of, too. One who waits in
// the engine for that table would wait for ever, so for him the store stops.
func (d *disk) tableFailed(err error) {
	n := d.bad.Add(1)
	if isFull(err) {
		d.tight.Store(true)
		if d.stall.Load() {
			d.s.fail(err)
		}
	} else if n >= tries {
		d.s.fail(err)
	}
}

// tableWritten notes that all is well again.
func (d *disk) tableWritten() {
	d.bad.Store(0)
	d.tight.Store(false)
}

// stalled notes that the engine makes a writer wait for a table.
func (d *disk) stalled(is bool) {
	d.stall.Store(is)
	if is && d.tight.Load() {
		d.s.fail(errNoRoom)
	}
}
