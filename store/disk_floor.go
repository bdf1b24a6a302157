package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// manifestFloor keeps how much of the engine's manifest was durable when the
// engine last took a file away. The engine reads its manifest up to the first
// record that it cannot read, and takes the rest for what a crash left behind;
// with one damaged byte it would thus go back to files that are gone, and open
// without a word with rows missing. Everything below the floor must be readable.
//
// The file is 28 bytes, big endian: "mkvfloor", number and length of the
// manifest, 8 each, and their CRC-32C, 4. One that cannot be read, which a crash
// may leave behind, says nothing.
type manifestFloor struct {
	d *disk

	mu      sync.Mutex
	current string // name of the manifest that the marker names
	next    string // of one that a marker was just made for
	length  map[string]int64
	kept    floor
}

type floor struct{ number, length uint64 }

const (
	floorName  = "minikv.floor"
	floorMagic = "mkvfloor"
	floorSize  = len(floorMagic) + 8 + 8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append adds a floor to b, which is empty.
func (w floor) append(b []byte, magic string) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint64(b, w.number)
	b = binary.BigEndian.AppendUint64(b, w.length)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseFloor(b []byte, magic string) (w floor, ok bool) {
	if len(b) != floorSize || string(b[:len(magic)]) != magic {
		return w, false
	}
	end := floorSize - 4
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return w, false
	}
	return floor{binary.BigEndian.Uint64(b[len(floorMagic):]), binary.BigEndian.Uint64(b[len(floorMagic)+8:])}, true
}

// manifestNumber reads a manifest's name, zero if it is none.
func manifestNumber(name string) (n uint64) {
	digits, ok := strings.CutPrefix(name, "MANIFEST-")
	if !ok {
		return 0
	}
	n, _ = strconv.ParseUint(digits, 10, 64)
	return n
}

// created notes that a file was made.
func (w *manifestFloor) created(path string) {
	name := w.d.FS.PathBase(path)
	if !isMarker(name) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = name[strings.LastIndexByte(name, '.')+1:]
}

// synced notes that a file or directory is durable.
func (w *manifestFloor) synced(f *file) {
	if !f.dir && !f.manifest {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.dir {
		if w.next != "" {
			w.current, w.next = w.next, ""
		}
		return
	}
	if w.length == nil {
		w.length = map[string]int64{}
	}
	w.length[f.name] = f.written
}

// keep makes the floor durable, before a file goes.
func (w *manifestFloor) keep() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := floor{manifestNumber(w.current), uint64(w.length[w.current])}
	if now == w.kept || now.length == 0 {
		return nil
	}
	if err := w.write(now); err != nil {
		return err
	}
	w.kept = now
	return nil
}

func (w *manifestFloor) write(now floor) error {
	fs, dir := w.d.FS, w.d.s.dir
	path := fs.PathJoin(dir, floorName)
	f, err := fs.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(now.append(nil, floorMagic))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// check refuses a directory whose manifest is damaged below the floor or gone.
func (w *manifestFloor) check() error {
	fs, dir := w.d.FS, w.d.s.dir
	current, err := atomicfs.ReadMarker(fs, dir, "manifest")
	if err != nil {
		return fmt.Errorf("%w: %s: the engine's marker files: %w", ErrCorrupt, dir, err)
	}
	if current == "" {
		used, err := w.used()
		if err == nil && used != "" {
			err = fmt.Errorf("%w: %s: the file marker.manifest.* is gone, though there is %s; restore it, or remove the directory and get the data from peers", ErrCorrupt, dir, used)
		}
		return err
	}
	kept, err := w.read()
	if err != nil {
		return err
	}
	at := manifestNumber(current)
	if at < kept.number {
		return fmt.Errorf("%w: %s: %s is in use, though MANIFEST-%06d came after it; restore the missing files, or remove the directory and get the data from peers", ErrCorrupt, dir, current, kept.number)
	}
	readable, err := w.readable(fs.PathJoin(dir, current))
	if errors.Is(err, errNotExist) {
		return w.begun(current)
	}
	if err != nil {
		return err
	}
	if at == kept.number && readable < kept.length {
		return fmt.Errorf("%w: %s: %s is damaged behind byte %d of %d; restore it, or remove the directory and get the data from peers", ErrCorrupt, dir, current, readable, kept.length)
	}
	w.current, w.length, w.kept = current, map[string]int64{current: int64(readable)}, kept
	return nil
}

// used returns the name of a file that only a store which has been written has, empty
// if there is none.
func (w *manifestFloor) used() (string, error) {
	fs, dir := w.d.FS, w.d.s.dir
	names, err := fs.List(dir)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if isTable(name) || name == floorName {
			return name, nil
		}
		if !strings.HasSuffix(name, ".log") || !isOfStore(name) {
			continue
		}
		if i, err := fs.Stat(fs.PathJoin(dir, name)); err != nil || i.Size() > 0 {
			return name, err
		}
	}
	return "", nil
}

// begun takes out the marker that a crash in the very first opening has left, of a
// manifest that it has not: versions before this one did not see to it that the
// manifest's name is durable first, see disk.Create.
func (w *manifestFloor) begun(current string) error {
	fs, dir := w.d.FS, w.d.s.dir
	used, err := w.used()
	if err != nil {
		return err
	}
	if used != "" || w.d.s.reads {
		return fmt.Errorf("%w: %s: %s is gone; restore it, or remove the directory and get the data from peers", ErrCorrupt, dir, current)
	}
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if isMarker(name) {
			if err := fs.Remove(fs.PathJoin(dir, name)); err != nil {
				return err
			}
		}
	}
	return syncDir(fs, dir)
}

// isMarker says whether a file names the manifest in use.
func isMarker(name string) bool { return strings.HasPrefix(name, "marker.manifest.") }

// read returns what is kept, zero if nothing readable is.
func (w *manifestFloor) read() (floor, error) {
	b, err := readFile(w.d.FS, w.d.FS.PathJoin(w.d.s.dir, floorName), int64(floorSize)+1)
	if errors.Is(err, errNotExist) {
		return floor{}, nil
	}
	if err != nil {
		return floor{}, err
	}
	kept, ok := parseFloor(b, floorMagic)
	if !ok {
		w.d.s.log.Warn("cannot tell whether the manifest is whole", "file", floorName)
	}
	return kept, nil
}

// readable says how many bytes of a manifest can be read.
func (w *manifestFloor) readable(path string) (n uint64, err error) {
	b, err := readFile(w.d.FS, path, maxManifest)
	if err != nil {
		return 0, err
	}
	r := record.NewReader(bytes.NewReader(b), 0)
	for {
		one, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, one)
		}
		if err != nil {
			return n, nil
		}
		n = uint64(r.Offset())
	}
}

// maxManifest is how much of a manifest is read; the engine begins a new one
// long before.
const maxManifest = 1 << 30

// readFile returns the first bytes of a file, at most max.
func readFile(fs vfs.FS, path string, max int64) (b []byte, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max))
}

// syncDir makes the names in a directory durable.
func syncDir(fs vfs.FS, dir string) error {
	f, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// makeDir makes a directory with all above it, durably.
func makeDir(fs vfs.FS, dir string) error {
	var made []string
	for at := dir; ; at = fs.PathDir(at) {
		if _, err := fs.Stat(at); err == nil || at == fs.PathDir(at) {
			break
		}
		made = append(made, at)
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, at := range made {
		if err := syncDir(fs, fs.PathDir(at)); err != nil {
			return err
		}
	}
	return nil
}

// realDir returns the one name of a directory of the operating system: by it a second user is noticed, in the same
// process, too, and files are found wherever the process stands.
func realDir(fs vfs.FS, dir string) string {
	if fs != vfs.Default {
		return dir
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
