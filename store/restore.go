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
// empty or not there. It writes to a directory beside it, named dir with
// ".restoring" behind, which takes its place when all has been verified and is
// durable; after an error, or a crash and the next Restore, nothing is left of it.
// ErrCorrupt says where the stream is damaged.
func Restore(ctx context.Context, dir string, r io.Reader, o Options) (Saved, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if err := requireEmpty(o.FS, dir); err != nil {
		return Saved{}, err
	}
	aside := dir + ".restoring"
	if err := o.FS.RemoveAll(aside); err != nil {
		return Saved{}, fmt.Errorf("%w: %s: %w", ErrFailed, aside, err)
	}
	found, err := restore(ctx, aside, r, o)
	if err == nil {
		err = moveDir(o.FS, aside, dir)
	}
	if err != nil {
		_ = o.FS.RemoveAll(aside) // the first error counts
		return Saved{}, err
	}
	return found, nil
}

func requireEmpty(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	switch {
	case errors.Is(err, errNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrFailed, dir, err)
	case len(names) > 0:
		return fmt.Errorf("%w: %s; give another one, nothing is written over", ErrNotEmpty, dir)
	}
	return nil
}

// moveDir gives a directory the name of one that is empty or not there.
func moveDir(fs vfs.FS, from, to string) error {
	if _, err := fs.Stat(to); err == nil {
		if err := fs.Remove(to); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrFailed, to, err)
		}
	}
	if err := fs.Rename(from, to); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFailed, to, err)
	}
	return syncDir(fs, fs.PathDir(to))
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
