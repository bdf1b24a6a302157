package store_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

// written is a store in which much has been done.
func written(t testing.TB, steps int) *workload {
	w := newWorkload(7, vfs.NewMem())
	w.big = 60
	require.NoError(t, w.run(steps))
	for name := range w.disks {
		require.NoError(t, w.commit(name))
		require.NoError(t, w.store.Release(name))
	}
	return w
}

func save(t testing.TB, s *store.Store) []byte {
	var b bytes.Buffer
	require.NoError(t, s.Save(t.Context(), &b))
	return b.Bytes()
}

// restored is the state of a store made of a saved one.
func restored(t testing.TB, b []byte) string {
	fs := vfs.NewMem()
	_, err := store.Restore(t.Context(), "copy", bytes.NewReader(b), small(fs))
	require.NoError(t, err)
	s, err := store.Open("copy", small(fs))
	require.NoError(t, err)
	state, err := stateOf(s)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return state
}

func TestWhatWasSavedIsRestored(t *testing.T) {
	w := written(t, 300)
	w.twin.note = "" // the owner's notes stay
	b := save(t, w.store)
	require.Equal(t, w.twin.state(), restored(t, b))

	found, err := store.CheckSave(bytes.NewReader(b))
	require.NoError(t, err)
	require.EqualValues(t, len(b), found.Bytes)
	require.Len(t, found.Registries, len(w.twin.maps))
	for _, r := range found.Registries {
		m := w.twin.maps[r.Name]
		require.Equal(t, store.SavedRegistry{
			Name: r.Name, About: []byte("about"), Tombstones: m.Tombstones(), Keys: m.Len(lwwmap.Data),
			Entries: m.Len(lwwmap.Data) + m.Len(lwwmap.Lease) + m.Len(lwwmap.Origin),
		}, r)
	}
	require.NoError(t, w.store.Close())
}

func TestAnEmptyStoreIsSaved(t *testing.T) {
	s, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	require.Equal(t, (&model{}).state(), restored(t, save(t, s)))
	require.NoError(t, s.Close())
}

// writerFunc writes.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// What is written while a store is saved is not in it, and nothing else is missing.
func TestASavedStoreIsAsItStoodAtOneMoment(t *testing.T) {
	w := written(t, 300)
	w.twin.note = ""
	want := w.twin.state()
	var b bytes.Buffer
	rng := rand.New(rand.NewPCG(1, 1))
	require.NoError(t, w.store.Save(t.Context(), writerFunc(func(p []byte) (int, error) {
		for name := range w.disks {
			delete(w.disks, name)
		}
		for range rng.IntN(20) {
			require.NoError(t, w.step())
		}
		for name := range w.disks {
			require.NoError(t, w.commit(name))
			require.NoError(t, w.store.Release(name))
		}
		return b.Write(p)
	})))
	require.NotEqual(t, want, w.twin.state())
	require.Equal(t, want, restored(t, b.Bytes()))
	require.NoError(t, w.store.Close())
}

// Of a stream that was changed or cut nothing is left, and where it is damaged is said.
func TestADamagedSaveIsRefused(t *testing.T) {
	w := written(t, 30)
	b := save(t, w.store)
	require.NoError(t, w.store.Close())
	fs := vfs.NewMem()
	refused := func(t *testing.T, b []byte) {
		_, err := store.CheckSave(bytes.NewReader(b))
		if !errors.Is(err, store.ErrFormat) {
			require.ErrorIs(t, err, store.ErrCorrupt)
			require.ErrorContains(t, err, "at byte ")
		}
	}
	for i := range b {
		was := b[i]
		b[i] ^= byte(1 + i%255)
		refused(t, b)
		b[i] = was
		refused(t, b[:i])
	}
	refused(t, append(bytes.Clone(b), 0))
	_, err := store.Restore(t.Context(), "copy", bytes.NewReader(b[:len(b)-1]), small(fs))
	require.ErrorIs(t, err, store.ErrCorrupt)
	names, err := fs.List("")
	require.NoError(t, err)
	require.Empty(t, names)
	t.Logf("%d bytes changed, %d cuts", len(b), len(b))
}

func TestRestoreWritesOverNothing(t *testing.T) {
	w := written(t, 30)
	b := save(t, w.store)
	require.NoError(t, w.store.Close())
	before := readImage(t, w.fs, "data")
	_, err := store.Restore(t.Context(), "data", bytes.NewReader(b), small(w.fs))
	require.ErrorIs(t, err, store.ErrNotEmpty)
	require.Equal(t, before, readImage(t, w.fs, "data"))
}

func TestSaveAndRestoreEndWithTheirContext(t *testing.T) {
	w := written(t, 300)
	b := save(t, w.store)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fs := vfs.NewMem()
	_, err := store.Restore(ctx, "copy", bytes.NewReader(b), small(fs))
	require.ErrorIs(t, err, context.Canceled)
	names, err := fs.List("")
	require.NoError(t, err)
	require.Empty(t, names)
	require.NoError(t, w.store.Close())
	require.ErrorIs(t, w.store.Save(t.Context(), new(bytes.Buffer)), store.ErrClosed)
}

// A crash leaves all of a restored store under its name, or nothing that hinders the next attempt.
func TestACrashLeavesNoHalfRestoredStore(t *testing.T) {
	w := written(t, 100)
	w.twin.note = ""
	b := save(t, w.store)
	require.NoError(t, w.store.Close())
	whole, none := 0, 0
	look := func(fs *vfs.MemFS, rng *rand.Rand) {
		again := crashAt(fs, rng, 41, func(fs vfs.FS) {
			switch _, err := store.Restore(t.Context(), "copy", bytes.NewReader(b), small(fs)); {
			case errors.Is(err, store.ErrNotEmpty):
				whole++
			default:
				require.NoError(t, err)
				none++
			}
			s, err := store.Open("copy", small(fs))
			require.NoError(t, err)
			require.NoError(t, s.Close())
		})
		for _, fs := range again { // a second crash, while the first one is got over
			s, err := store.Open("copy", small(fs))
			require.NoError(t, err)
			state, err := stateOf(s)
			require.NoError(t, err)
			if state != w.twin.state() {
				require.Equal(t, (&model{}).state(), state)
			}
			require.NoError(t, s.Close())
		}
		s, err := store.Open("copy", small(fs))
		require.NoError(t, err)
		state, err := stateOf(s)
		require.NoError(t, err)
		require.Equal(t, w.twin.state(), state)
		require.NoError(t, s.Close())
	}
	rng := rand.New(rand.NewPCG(*seed, 6))
	for _, fs := range crashAt(vfs.NewCrashableMem(), rng, 3, func(fs vfs.FS) {
		_, err := store.Restore(t.Context(), "copy", bytes.NewReader(b), small(fs))
		require.NoError(t, err)
	}) {
		look(fs, rng)
	}
	require.Greater(t, whole, 3)
	require.Greater(t, none, 10)
	t.Logf("stopped at %d operations, %d times all was there", whole+none, whole)
}

// crashAt calls fn, and returns what a crash would have left at each so many writes on the way.
func crashAt(disk *vfs.MemFS, rng *rand.Rand, every int, fn func(vfs.FS)) (left []*vfs.MemFS) {
	var mu sync.Mutex
	ops := 0
	at := crashable{disk}
	fn(errorfs.Wrap(at, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			if ops++; ops%every == 0 {
				left = append(left, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng}))
			}
		}
		return nil
	})))
	return left
}

func FuzzCheckSave(f *testing.F) {
	b, err := os.ReadFile(golden + ".save")
	require.NoError(f, err)
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte("mkvsave\x01s\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := store.CheckSave(bytes.NewReader(b)); err != nil && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrFormat) {
			t.Fatal(err)
		}
	})
}

func FuzzStateRow(f *testing.F) {
	m := lwwmap.New(storetest.DigestKey)
	m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Dot: dot(1, 5), Stamp: 9, Deleted: true})
	m.Collect(10, 1)
	f.Add(store.StateRow(m))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := store.Reencode(b)
		if err != nil {
			return
		}
		again, err := store.Reencode(out)
		require.NoError(t, err)
		require.Equal(t, out, again)
	})
}
