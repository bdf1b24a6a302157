package store_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

// open opens a directory made of an image, closes it, and returns the error.
func (i image) open(t *testing.T) error {
	fs := vfs.NewMem()
	require.NoError(t, i.write(fs, "data"))
	s, err := store.Open("data", small(fs))
	if err != nil {
		return err
	}
	return s.Close()
}

// A crash in the very first opening may keep the name of the engine's marker and
// not that of the manifest it speaks of.
func TestAMarkerAloneIsANewDirectory(t *testing.T) {
	const marker = "marker.manifest.000001.MANIFEST-000001"
	t.Run("OK", func(t *testing.T) {
		require.NoError(t, image{marker: nil, "000002.log": nil, "LOCK": nil}.open(t))
	})
	t.Run("a log", func(t *testing.T) {
		require.ErrorIs(t, image{marker: nil, "000002.log": []byte("x")}.open(t), store.ErrCorrupt)
	})
	t.Run("a table", func(t *testing.T) {
		require.ErrorIs(t, image{marker: nil, "000002.sst": nil}.open(t), store.ErrCorrupt)
	})
	t.Run("a floor", func(t *testing.T) {
		require.ErrorIs(t, image{marker: nil, "minikv.floor": []byte("x")}.open(t), store.ErrCorrupt)
	})
	t.Run("for reading only", func(t *testing.T) {
		fs := vfs.NewMem()
		require.NoError(t, image{marker: nil}.write(fs, "data"))
		_, err := store.Check(t.Context(), "data", small(fs), func(string) []byte { return storetest.DigestKey }, false)
		require.ErrorIs(t, err, store.ErrCorrupt)
		names, err := fs.List("data")
		require.NoError(t, err)
		require.Contains(t, names, marker)
	})
}

// Without its marker the engine would begin anew beside what is there.
func TestAMissingMarkerIsNoticed(t *testing.T) {
	w := newWorkload(*seed, vfs.NewMem())
	w.how = func(fs vfs.FS) store.Options { return store.Options{FS: fs} }
	require.NoError(t, w.run(20))
	require.NoError(t, w.wait())
	whole := readImage(t, w.fs, "data") // as after a crash: all is in the log
	require.NoError(t, w.store.Close())
	for name := range whole {
		if strings.HasPrefix(name, "marker.manifest.") {
			delete(whole, name)
		}
	}
	require.ErrorIs(t, whole.open(t), store.ErrCorrupt)
}
