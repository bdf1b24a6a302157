package store_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

var update = flag.Bool("update", false, "make the golden directory of the present format anew; never those of released ones")

const golden = "testdata/format1"

// text is all that a store shows.
func text(t *testing.T, s *store.Store) string {
	var b strings.Builder
	ceiling, err := s.Ceiling()
	require.NoError(t, err)
	note, err := s.Note("note")
	require.NoError(t, err)
	fmt.Fprintf(&b, "ceiling %s, note %q\n", ceiling, note)
	for _, name := range s.Names() {
		about, ok := s.About(name)
		require.True(t, ok)
		m, err := s.Map(name, storetest.DigestKey, nil)
		require.NoError(t, err)
		fmt.Fprintf(&b, "\n%s, about %q\nroot %s, seen %s, horizons %v, clock %s\n", name, about, m.Root(), m.Context(), m.Horizons(), m.Clock())
		rows := storetest.Rows(m, m.Context())
		for _, by := range slices.Sorted(keys(rows)) {
			fmt.Fprintf(&b, "by %s\n", by)
			for _, row := range rows[by] {
				fmt.Fprintf(&b, "\t%s\n", row)
			}
		}
		require.NoError(t, m.Err())
		require.NoError(t, s.Release(name))
	}
	return b.String()
}

func keys(m map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// A directory of format 1 is opened by every later version, and shows what it
// held; a store that was saved then is restored to the same.
func TestADirectoryOfFormat1(t *testing.T) {
	if *update {
		makeGolden(t)
	}
	want, err := os.ReadFile(golden + ".txt")
	require.NoError(t, err)

	fs := vfs.NewMem()
	files, err := os.ReadDir(golden)
	require.NoError(t, err)
	whole := image{}
	for _, f := range files {
		whole[f.Name()], err = os.ReadFile(filepath.Join(golden, f.Name()))
		require.NoError(t, err)
	}
	require.NoError(t, whole.write(fs, "data"))
	r, err := store.Check(t.Context(), "data", store.Options{FS: fs}, digestKeyOf, false)
	require.NoError(t, err)
	require.True(t, r.OK(), "%+v", r)
	requireText(t, string(want), fs, "data")

	saved, err := os.ReadFile(golden + ".save")
	require.NoError(t, err)
	_, err = store.Restore(t.Context(), "restored", bytes.NewReader(saved), store.Options{FS: fs})
	require.NoError(t, err)
	requireText(t, strings.Replace(string(want), `note "a note"`, `note ""`, 1), fs, "restored")
}

func requireText(t *testing.T, want string, fs vfs.FS, dir string) {
	s, err := store.Open(dir, store.Options{FS: fs})
	require.NoError(t, err)
	require.Equal(t, want, text(t, s))
	require.NoError(t, s.Close())
}

func makeGolden(t *testing.T) {
	require.NoError(t, os.RemoveAll(golden))
	o := store.Tuned(store.Options{}, 30, nil)
	s, err := store.Open(golden, o)
	require.NoError(t, err)
	require.NoError(t, s.Reserve(1<<30))
	require.NoError(t, s.SetNote("note", []byte("a note")))
	for _, name := range []string{"one", "two"} {
		m, err := s.Map(name, storetest.DigestKey, []byte("about "+name))
		require.NoError(t, err)
		for i := range uint64(12) {
			goldenWrites(m, i)
			require.NoError(t, m.Commit())
		}
		m.Expire(1<<20+180, 2)
		m.Collect(1<<20+80, 2)
		m.Observe(1 << 21)
		require.NoError(t, m.Commit())
		require.NoError(t, s.Release(name))
	}
	require.NoError(t, s.Compact(t.Context()))
	m, err := s.Map("two", storetest.DigestKey, nil)
	require.NoError(t, err)
	goldenWrites(m, 12)
	require.NoError(t, m.Commit())
	require.NoError(t, s.Release("two"))
	var b bytes.Buffer
	require.NoError(t, s.Save(t.Context(), &b))
	require.NoError(t, os.WriteFile(golden+".save", b.Bytes(), 0o644))
	require.NoError(t, os.WriteFile(golden+".txt", []byte(text(t, s)), 0o644))
	require.NoError(t, s.Close())
}

// goldenWrites are one of each form.
func goldenWrites(m *lwwmap.Map, i uint64) {
	base := lwwmap.Entry{Kind: lwwmap.Data, Stamp: 1<<20 + 10*hlc.Timestamp(i)}
	for form := range uint64(5) {
		e := base
		e.Key, e.Dot = fmt.Sprintf("key%d-%d", form, i%7), dot(1, 5*i+form+1)
		switch form {
		case 0:
			e.Value = []byte{}
		case 1:
			e.Value, e.Expires = []byte("expires"), e.Stamp+100
		case 2:
			e.Deleted = true
		case 3:
			e.Value, e.Fence, e.Base = []byte("fenced"), lwwmap.MakeToken(i, e.Stamp, 7), e.Stamp
		case 4:
			e.Key, e.Kind = strings.Repeat("k", 300), lwwmap.Kind(1+i%3)
			e.Value, e.Dot = bytes.Repeat([]byte("v"), 300), dot(2, 1<<33+i)
		}
		m.Apply(e)
	}
}
