package store

import (
	"math"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ahead has a log written with zeros before the engine comes there. The file system
// has to write its journal, too, before what makes a file longer is durable; where
// the bytes were there already the file's own suffice. Small synced writes take
// some 0.6 times as long so (ext4), and have twice as much written.
//
// The engine takes zeros for the end of its log, as it does what is left in a log
// that is used again.
type ahead struct {
	to    int64 // the file has bytes up to here
	since int   // bytes written since the last sync
}

const (
	// aheadFor is how many bytes a sync may cover for more zeros to be written. Who
	// writes more at a time waits for the disk's bandwidth, and the zeros would take
	// a share of it.
	aheadFor = 64 << 10
	// A log is made at most twice as long.
	minAhead = 16 << 10
	maxAhead = 256 << 10
)

var zeros [maxAhead]byte

// reused says that the file has had an earlier life.
func (a *ahead) reused(f vfs.File) {
	if info, err := f.Stat(); err == nil {
		a.to = info.Size()
	}
}

// wrote notes that n bytes were written, up to end.
func (a *ahead) wrote(f vfs.File, n int, end int64) {
	a.since += n
	if end <= a.to || a.since > aheadFor {
		return
	}
	more := zeros[:min(max(end, minAhead), maxAhead)]
	if _, err := f.WriteAt(more, end); err != nil {
		a.to = math.MaxInt64 // what the disk has no room for is not missed
		return
	}
	a.to = end + int64(len(more))
}

// cut takes the zeros away again, when the file is closed, where the file system can:
// that of the operating system does, those in memory keep them.
func (a *ahead) cut(f vfs.File, end int64) {
	if disk, ok := f.(interface{ Truncate(size int64) error }); ok && a.to > end {
		_ = disk.Truncate(end) // else it is longer than it need be
	}
}
