package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logFloor keeps how much of the engine's log has been durable. The engine reads
// its last log up to the first part that it cannot read, and takes the rest for
// what a crash left behind; where a byte has changed it would thus go back without
// a word. What lies below the floor must be readable.
//
// The file has the form of a [floor], of a log. It is written after each fsync and
// before anyone is told of it, and is not synced itself: after a crash of the
// machine it may say less than was durable, never more.
type logFloor struct {
	d    *disk
	mu   sync.Mutex
	file vfs.File
	row  []byte
}

const (
	syncedName  = "minikv.synced"
	syncedMagic = "mkvsyncd"
)

// logNumber reads the name of a log, zero if it is none.
func logNumber(name string) (n uint64) {
	digits, ok := strings.CutSuffix(name, ".log")
	if !ok {
		return 0
	}
	n, _ = strconv.ParseUint(digits, 10, 64)
	return n
}

// begin opens the file.
func (w *logFloor) begin() (err error) {
	w.file, err = w.d.FS.OpenReadWrite(w.d.FS.PathJoin(w.d.s.dir, syncedName), vfs.WriteCategoryUnspecified)
	return err
}

func (w *logFloor) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file != nil {
		_ = w.file.Close() // nothing of it has to be durable
		w.file = nil
	}
}

// synced notes that a file is durable up to a length.
func (w *logFloor) synced(f *file, length int64) {
	if f.log == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return
	}
	w.row = floor{f.log, uint64(length)}.append(w.row[:0], syncedMagic)
	if _, err := w.file.WriteAt(w.row, 0); err != nil {
		w.d.s.log.Warn("it will not be noticed if the end of the log is damaged", "err", err)
		_ = w.file.Close()
		w.file = nil
	}
}

// check returns what is wrong with the end of the log, empty if nothing is.
func (w *logFloor) check() (fault string, err error) {
	fs, dir := w.d.FS, w.d.s.dir
	b, err := readFile(fs, fs.PathJoin(dir, syncedName), int64(floorSize)+1)
	if errors.Is(err, errNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	kept, ok := parseFloor(b, syncedMagic)
	if !ok || kept.number > math.MaxUint32 {
		return "", nil // a crash may leave it so
	}
	name := fmt.Sprintf("%06d.log", kept.number)
	log, err := readFile(fs, fs.PathJoin(dir, name), int64(kept.length))
	if errors.Is(err, errNotExist) {
		return "", nil // its rows are in tables
	}
	if err != nil {
		return "", err
	}
	if n := readableLog(log, uint32(kept.number)); n+logTrailer < len(log) || len(log)+logTrailer < int(kept.length) {
		return fmt.Sprintf("%s is damaged behind byte %d of %d", name, n, kept.length), nil
	}
	return "", nil
}

// The form of the engine's log: blocks of chunks, none of which crosses the end of a
// block. A chunk has a sum of 4 bytes, a length of 2, a form of 1, the log's number
// of 4 and, from form 9 on, how far the log was synced, of 8.
const (
	logBlock      = 32 << 10
	logHeader     = 11
	logSyncHeader = 19
	logSyncForm   = 9
	logFirstForm  = 5
	logLastForm   = 12
	logTrailer    = logHeader // ends a log; nothing depends on it
)

// readableLog returns how many bytes of a log, from its beginning, are as written.
func readableLog(b []byte, number uint32) (n int) {
	for n < len(b) {
		rest := b[n:min(len(b), n-n%logBlock+logBlock)]
		if n%logBlock+logSyncHeader > logBlock { // too little left of the block for a chunk
			n += len(rest)
			continue
		}
		size, ok := logChunk(rest, number)
		if !ok {
			return n
		}
		n += size
	}
	return n
}

// logChunk returns the length of the chunk that b begins with.
func logChunk(b []byte, number uint32) (size int, ok bool) {
	if len(b) < logHeader || b[6] < logFirstForm || b[6] > logLastForm || binary.LittleEndian.Uint32(b[7:]) != number {
		return 0, false
	}
	size = logHeader
	if b[6] >= logSyncForm {
		size = logSyncHeader
	}
	size += int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) {
		return 0, false
	}
	sum := crc32.Checksum(b[6:size], castagnoli)
	return size, binary.LittleEndian.Uint32(b) == (sum>>15|sum<<17)+0xa282ead8
}
