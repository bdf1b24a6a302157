package minikv_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestCheckDir(t *testing.T) {
	ctx, dir := within(t), t.TempDir()
	n := openIn(t, dir, minikv.Config{})
	r := openRegistry(t, n, "r")
	for i := range 100 {
		put(t, r, fmt.Sprint(i), "v")
	}
	require.NoError(t, r.Delete(ctx, "7"))
	_, err := minikv.CheckDir(ctx, dir, false)
	require.ErrorIs(t, err, minikv.ErrDirInUse)
	require.NoError(t, n.Close())
	for _, repair := range []bool{false, true} {
		report, err := minikv.CheckDir(ctx, dir, repair)
		require.NoError(t, err)
		require.Equal(t, minikv.CheckReport{Registries: []minikv.CheckedRegistry{{Name: "r", Keys: 99, Tombstones: 1}}}, report)
	}
	_, err = minikv.CheckDir(ctx, filepath.Join(dir, "none"), false)
	require.ErrorIs(t, err, minikv.ErrBadFormat)
	require.NoDirExists(t, filepath.Join(dir, "none"), "to look makes nothing")
}

// biggestTable is the largest of the engine's tables in a directory.
func biggestTable(t *testing.T, dir string) string {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	best, size := "", int64(0)
	for _, name := range tables {
		info, err := os.Stat(name)
		require.NoError(t, err)
		if info.Size() > size {
			best, size = name, info.Size()
		}
	}
	require.NotEmpty(t, best)
	return best
}

// flip changes a byte of the largest table, at so many tenths of its length.
func flip(t *testing.T, dir string, tenths int) {
	t.Helper()
	path := biggestTable(t, dir)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[len(b)*tenths/10] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// What is damaged is told as such, and in one line: not as a failure of the disk, nor as a wrong value.
func TestADamagedTable(t *testing.T) {
	ctx, dir := within(t), t.TempDir()
	n := openIn(t, dir, minikv.Config{})
	b := openRegistry(t, n, "r").NewBatch()
	for i := range 5000 {
		b.Put(fmt.Sprintf("%05d", i), fmt.Append(nil, rand.Uint64()))
	}
	_, err := b.Commit(ctx)
	require.NoError(t, err)
	require.NoError(t, n.Compact(ctx))
	require.NoError(t, n.Close())
	flip(t, dir, 7)
	n = openIn(t, dir, minikv.Config{})
	r := openRegistry(t, n, "r")
	damaged := 0
	for i := range 5000 {
		_, err := r.Get(ctx, fmt.Sprintf("%05d", i))
		if err == nil {
			continue
		}
		damaged++
		require.ErrorIs(t, err, minikv.ErrCorrupt)
		require.NotErrorIs(t, err, minikv.ErrStorage)
		require.NotContains(t, err.Error(), "\n")
		require.ErrorContains(t, err, dir)
		require.ErrorContains(t, err, "minikv check")
	}
	require.Positive(t, damaged)
	require.Less(t, damaged, 5000, "reads of the rest go on")
	_, err = r.Put(ctx, "new", nil)
	require.ErrorIs(t, err, minikv.ErrCorrupt)
	require.NotContains(t, err.Error(), "\n")
}

// A directory is damaged and repaired. The node is the same as before, and what was lost comes back from its peer, but not what
// was deleted.
func TestARepairedDirectory(t *testing.T) {
	for name, damage := range map[string]func(dir string){
		"a byte of the state":      func(dir string) { flip(t, dir, 3) },
		"a byte of entries, or so": func(dir string) { flip(t, dir, 7) },
		"entries that are gone": func(dir string) {
			db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: noLog{}})
			require.NoError(t, err)
			prefix := []byte{0, 0, 0, 1, 'e', 1}
			require.NoError(t, db.DeleteRange(append(prefix, "before/a/kept01"...), append(prefix, "before/a/kept02"...), pebble.Sync))
			require.NoError(t, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := within(t)
			a, b := newMember(t, "a", minikv.Config{}), newMember(t, "b", minikv.Config{})
			link(t, a, b)
			l := ledger{}
			a.write(l, "before", 30)
			b.write(l, "before", 30)
			agree(t, l, a, b)
			require.NoError(t, a.reg.Node().Compact(ctx))
			id := a.reg.Node().ID()
			a.stop()
			damage(a.dir)
			b.write(l, "meanwhile", 30)
			b.change(l, sortedKeys(l), 0, 3)

			report, err := minikv.CheckDir(ctx, a.dir, false)
			require.NoError(t, err)
			require.Positive(t, report.Found)
			require.False(t, report.Repaired)
			t.Logf("%d faults, first %+v; %+v", report.Found, report.Faults[0], report.Registries)
			report, err = minikv.CheckDir(ctx, a.dir, true)
			require.NoError(t, err)
			require.True(t, report.Repaired)
			require.DirExists(t, report.Kept)
			again, err := minikv.CheckDir(ctx, a.dir, false)
			require.NoError(t, err)
			require.Zero(t, again.Found, "%+v", again.Faults)

			a.start()
			require.Equal(t, id, a.reg.Node().ID())
			a.write(l, "after", 10)
			link(t, a, b)
			agree(t, l, a, b)
		})
	}
}

type noLog struct{}

func (noLog) Infof(string, ...any)              {}
func (noLog) Errorf(string, ...any)             {}
func (noLog) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
