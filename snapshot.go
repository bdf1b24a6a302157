package minikv

import (
	"context"
	"io"

	"github.com/minikv/minikv/store"
)

// SnapshotInfo says what a snapshot holds.
type SnapshotInfo struct {
	Registries []SnapshotRegistry // in ascending order of their names
	Bytes      int64              // of the snapshot
}

// SnapshotRegistry is a registry in a snapshot.
type SnapshotRegistry struct {
	Name             string
	Keys, Tombstones int
}

func snapshotInfo(s store.Saved) SnapshotInfo {
	i := SnapshotInfo{Registries: make([]SnapshotRegistry, 0, len(s.Registries)), Bytes: s.Bytes}
	for _, r := range s.Registries {
		i.Registries = append(i.Registries, SnapshotRegistry{Name: r.Name, Keys: r.Keys, Tombstones: r.Tombstones})
	}
	return i
}

// Snapshot writes all registries of the node's directory to w, open or not, as they are at one moment: all
// that was acknowledged before the call, and every batch as a whole or not at all. Writes go on meanwhile, and
// so do exchanges. The identity is not in it. A snapshot ends in a checksum, so one that was cut short is found
// out by [CheckSnapshot] and [Restore]; it has about the size of keys and values.
//
// It ends early with the error of w, or of ctx. [ErrInvalid] on a node in memory. Other nodes have the same data:
// a snapshot is for the day on which all of them are gone, or have agreed on a mistake.
func (n *Node) Snapshot(ctx context.Context, w io.Writer) error {
	return n.withStore(ctx, "snapshot", func(s *store.Store) error { return s.Save(ctx, w) })
}

// Restore makes the directory of a node from a snapshot, and says what it holds. The directory must not exist or
// be empty, else [ErrDirNotEmpty]; after an error it is as before, and so it is
// after a crash but for what the next call, or the next [Open], removes.
//
// The node that is opened there is a new one, with an identity of its own, and may run beside the one that the
// snapshot is of: they exchange what each lacks, so what was deleted since stays deleted. To go back to an older
// state, restore it on every node while none of them runs.
//
// [ErrCorrupt] when the snapshot is damaged or cut short, [ErrBadFormat] when it is none or that of a later
// version, [ErrStorage] when the directory cannot be used. Not more than a few MiB of r are in memory at a time.
func Restore(ctx context.Context, dir string, r io.Reader) (SnapshotInfo, error) {
	err := checkContext(ctx)
	if err == nil && dir == "" {
		err = detailf(ErrInvalid, "no directory; a node in memory has nothing to restore to")
	}
	var found store.Saved
	if err == nil {
		found, err = store.Restore(ctx, dir, r, store.Options{})
	}
	if err != nil {
		return SnapshotInfo{}, wrapDir("restore", err)
	}
	return snapshotInfo(found), nil
}

// CheckSnapshot reads a snapshot to its end, verifies that all of it is there and fits together, and says what it
// holds. Errors as those of [Restore]. It does not know whether somebody has forged it.
func CheckSnapshot(r io.Reader) (SnapshotInfo, error) {
	found, err := store.CheckSave(r)
	if err != nil {
		return SnapshotInfo{}, wrapDir("check", err)
	}
	return snapshotInfo(found), nil
}

var errInMemory = detailf(ErrInvalid, "the node is in memory; open it with a directory")

// withStore calls fn with the store of an open node.
func (n *Node) withStore(ctx context.Context, op string, fn func(*store.Store) error) error {
	err := checkContext(ctx)
	if err == nil {
		n.mu.RLock()
		if n.closed {
			err = ErrClosed
		}
		n.mu.RUnlock()
	}
	if err == nil && n.store() == nil {
		err = errInMemory
	}
	if err == nil {
		err = fn(n.store())
	}
	return wrapDir(op, err)
}

// wrapDir makes a user's error of one that has to do with a directory; nil stays nil.
func wrapDir(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Err: translate(err)}
}
