package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Restore makes a store of what [Store.Save] has written, in a directory that is
// empty or not there. It is made in a directory within, and takes its place when all has
// been verified and is durable; an error, or a crash and whatever opens the directory next, leaves
// nothing of it. ErrCorrupt says where the stream is damaged.
func Restore(ctx context.Context, dir string, r io.Reader, o Options) (Saved, error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	o.FS = fs
	if err := requireEmpty(fs, dir); err != nil {
		return Saved{}, err
	}
	_, err := fs.Stat(dir)
	isNew := errors.Is(err, errNotExist)
	lock, dir, err := lockDir(fs, dir)
	if err != nil {
		return Saved{}, err
	}
	found, err := restoreLocked(ctx, dir, r, o)
	if err != nil && isNew {
		_, _ = fs.Remove(fs.PathJoin(dir, lockName)), fs.Remove(dir) // the first error counts
	}
	if err = errors.Join(err, lock.Close()); err != nil {
		return Saved{}, err
	}
	return found, nil
}

func restoreLocked(ctx context.Context, dir string, r io.Reader, o Options) (found Saved, err error) {
	if err := requireEmpty(o.FS, dir); err != nil { // others may have come before the lock
		return found, err
	}
	making := o.FS.PathJoin(dir, makingName)
	if err := o.FS.RemoveAll(making); err != nil {
		return found, fmt.Errorf("%w: %s: %w", ErrFailed, making, err)
	}
	if found, err = restore(ctx, making, r, o); err != nil {
		_ = o.FS.RemoveAll(making) // the first error counts
		return found, err
	}
	_, err = install(o.FS, dir)
	return found, err
}

func requireEmpty(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil && !errors.Is(err, errNotExist) {
		return fmt.Errorf("%w: %s: %w", ErrFailed, dir, err)
	}
	for _, name := range names {
		switch name {
		case lockName, makingName: // of a Restore that was interrupted
		case "lost+found": // of an empty disk
		default:
			return fmt.Errorf("%w: %s; give another one, nothing is written over", ErrNotEmpty, dir)
		}
	}
	return nil
}

func restore(ctx context.Context, dir string, r io.Reader, o Options) (Saved, error) {
	s, err := Open(dir, o)
	if err != nil {
		return Saved{}, err
	}
	found, err := readSave(ctx, r, &restorer{s: s})
	return found, errors.Join(err, s.Close())
}

// restorer puts what was saved into a new store.
type restorer struct {
	s *Store
	b *builder
}

func (w *restorer) ceiling(t hlc.Timestamp) error {
	if t.IsZero() {
		return nil
	}
	return w.s.Reserve(t)
}

func (w *restorer) registry(name string, about []byte, state *lwwmap.State) (err error) {
	w.b, err = w.s.build(name, about, state)
	return err
}

func (w *restorer) record(r lwwmap.Record) error { return w.b.add(r) }

func (w *restorer) end() error { return w.b.commit() }
