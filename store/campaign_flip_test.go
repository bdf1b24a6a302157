package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/store"
)

// image is the files of a directory.
type image map[string][]byte

func readImage(t require.TestingT, fs vfs.FS, dir string) image {
	names, err := fs.List(dir)
	require.NoError(t, err)
	i := image{}
	for _, name := range names {
		f, err := fs.Open(fs.PathJoin(dir, name))
		require.NoError(t, err)
		i[name], err = io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	return i
}

func (i image) write(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, b := range i {
		f, err := fs.Create(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		_, err = f.Write(bytes.Clone(b)) // under the race detector MemFS spoils what it was given
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Whatever byte of a store's files is changed: the store opens and shows what
// it showed last, or says that it is damaged.
func TestCampaignFlip(t *testing.T) {
	every := 101
	if *all {
		every = 1
	}
	w, whole := flipImage(t)

	rng := rand.New(rand.NewPCG(*seed, 5))
	ended, total := endings{}, 0
	for name, b := range whole {
		total += len(b)
		step := every
		if len(b) < 8<<10 {
			step = (every + 7) / 8
		}
		for at := rng.IntN(step); at < len(b); at += step {
			was := b[at]
			b[at] ^= byte(1 + rng.IntN(255))
			how, err := w.flipped(whole)
			if err != nil {
				t.Errorf("%s, byte %d from %#x to %#x: %v", name, at, was, b[at], err)
			}
			ended[how]++
			b[at] = was
		}
	}
	t.Logf("seed %d: %d files of %d bytes: %s", *seed, len(whole), total, ended)
	require.NotZero(t, ended["said to be corrupt"])
	require.Zero(t, ended["as at an earlier moment"])
}

// flipImage is a store with tables, logs, and a checkpoint.
func flipImage(t *testing.T) (*workload, image) {
	fs := vfs.NewMem()
	w := newWorkload(*seed, fs)
	w.big, w.how = 40, func(fs vfs.FS) store.Options { return store.Tuned(store.Options{FS: fs}, 300, nil) }
	require.NoError(t, w.run(60))
	require.NoError(t, w.store.FlushTables())
	for range 20 {
		require.NoError(t, w.step())
	}
	for name := range w.disks {
		require.NoError(t, w.commit(name))
	}
	require.NoError(t, w.store.Close())
	return w, readImage(t, fs, "data")
}

func (w *workload) flipped(i image) (how string, err error) {
	defer func() {
		if p := recover(); p != nil {
			how, err = "panicked", fmt.Errorf("panic: %v", p)
		}
	}()
	fs := vfs.NewMem()
	if err := i.write(fs, "data"); err != nil {
		return "", err
	}
	n, err := w.ledger.verify(fs, 0, w.ledger.issued())
	switch {
	case err == nil && n == w.ledger.issued():
		return "unharmed", nil
	case err == nil:
		return "as at an earlier moment", nil
	case errors.Is(err, errWrong):
		return "wrong", err
	case errors.Is(err, store.ErrCorrupt):
		return "said to be corrupt", nil
	case errors.Is(err, store.ErrFormat):
		return "said to be of another format", nil
	}
	return "no answer", err
}
