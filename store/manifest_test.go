package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/store"
)

// The engine takes a record of its manifest that it cannot read for the end. Where
// the files are gone that it would go back to, no byte may be changed unnoticed.
func TestADamagedManifestIsNoticed(t *testing.T) {
	w := newWorkload(*seed, vfs.NewMem())
	require.NoError(t, w.run(20))
	for range 12 { // more than there are logs kept for use again
		for range 10 {
			require.NoError(t, w.step())
		}
		require.NoError(t, w.store.FlushTables())
	}
	for name := range w.disks {
		require.NoError(t, w.commit(name))
	}
	require.NoError(t, w.store.Close())
	whole, ended := readImage(t, w.fs, "data"), endings{}
	for name, b := range whole {
		if !strings.HasPrefix(name, "MANIFEST-") {
			continue
		}
		for at := 0; at < len(b); at += 3 {
			was := b[at]
			b[at] ^= 1 << (at % 8)
			fs := vfs.NewMem()
			require.NoError(t, whole.write(fs, "data"))
			switch _, err := w.ledger.verify(fs, w.ledger.issued(), w.ledger.issued()); {
			case err == nil:
				ended["unharmed"]++
			case errors.Is(err, store.ErrCorrupt):
				ended["said to be corrupt"]++
			default:
				t.Errorf("%s, byte %d: %v", name, at, err)
			}
			b[at] = was
		}
	}
	t.Log(ended)
	require.NotZero(t, ended["said to be corrupt"])
}
