package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

func digestKeyOf(string) []byte { return storetest.DigestKey }

func check(t *testing.T, fs vfs.FS, repair bool) store.Report {
	r, err := store.Check(t.Context(), "data", small(fs), digestKeyOf, repair)
	require.NoError(t, err)
	return r
}

func TestAWholeStoreHasNoFaults(t *testing.T) {
	w := written(t, 300)
	require.NoError(t, w.store.Close())
	before := readImage(t, w.fs, "data")
	r := check(t, w.fs, true)
	require.True(t, r.OK(), "%+v", r)
	require.False(t, r.Repaired)
	require.Len(t, r.Registries, len(w.twin.maps))
	for _, one := range r.Registries {
		m := w.twin.maps[one.Name]
		require.Equal(t, store.RegistryReport{
			Name: one.Name, Tombstones: m.Tombstones(), Keys: m.Len(lwwmap.Data), Entries: m.Len(lwwmap.Data) + m.Len(lwwmap.Lease) + m.Len(lwwmap.Origin),
		}, one)
	}
	require.Equal(t, before, readImage(t, w.fs, "data"), "a check changes nothing")
}

// damage changes one row of a store behind its back.
func damage(t *testing.T, rng *rand.Rand, fs vfs.FS) string {
	s, err := store.Open("data", small(fs))
	require.NoError(t, err)
	var keys, values [][]byte
	it, err := s.DB().NewIter(&pebble.IterOptions{LowerBound: []byte{0, 0, 0, 1}})
	require.NoError(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		if it.Key()[4] != 'b' { // the filter is not more than a help
			keys, values = append(keys, append([]byte(nil), it.Key()...)), append(values, append([]byte(nil), it.Value()...))
		}
	}
	require.NoError(t, it.Close())
	i, j := rng.IntN(len(keys)), rng.IntN(len(keys))
	var what string
	switch n := rng.IntN(4); {
	case n == 0:
		what = "delete"
		err = s.DB().Delete(keys[i], pebble.Sync)
	case n == 1 && len(values[i]) > 0:
		what = "change"
		values[i][rng.IntN(len(values[i]))] ^= byte(1 + rng.IntN(255))
		err = s.DB().Set(keys[i], values[i], pebble.Sync)
	case n == 2:
		what = "add"
		k := append([]byte(nil), keys[i]...)
		if at := 5 + rng.IntN(len(k)-4); at < len(k) {
			k[at] ^= byte(1 + rng.IntN(255))
		} else {
			k = append(k, byte(rng.IntN(256)))
		}
		err = s.DB().Set(k, values[i], pebble.Sync)
	default:
		what = "exchange"
		err = errors.Join(s.DB().Set(keys[i], values[j], pebble.Sync), s.DB().Set(keys[j], values[i], pebble.Sync))
		if string(values[i]) == string(values[j]) || string(keys[i][:4]) != string(keys[j][:4]) {
			what = "" // these registries share a digest key, so the record of another would fit
		}
	}
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return fmt.Sprintf("%s %q", what, keys[i])
}

// healed checks that a repaired store invents nothing, and that it and a peer
// that holds everything end as the peer.
func (w *workload) healed(s *store.Store) error {
	for _, name := range s.Names() {
		disk, err := s.Map(name, storetest.DigestKey, nil)
		if err != nil {
			return err
		}
		twin := w.twin.maps[name]
		if twin == nil { // it was there at an earlier moment
			continue
		}
		mine, peers := disk.Clone(), twin.Clone()
		mine.Join(twin)
		peers.Join(disk)
		want := fmt.Sprint(storetest.Rows(twin, twin.Context()))
		for who, m := range map[string]*lwwmap.Map{"the store": mine, "the peer": peers} {
			if fmt.Sprint(storetest.Rows(m, twin.Context())) != want {
				return fmt.Errorf("%w: %s, after meeting, in %s", errWrong, who, name)
			}
		}
		if err := errors.Join(disk.Err(), s.Release(name)); err != nil {
			return err
		}
	}
	return nil
}

// Whatever row is damaged: a check finds it, a repair leaves a store without
// faults, and peers bring back what was lost.
func TestDamagedRowsAreFoundAndRepaired(t *testing.T) {
	rounds := 150
	if *all {
		rounds = 3000
	}
	w := written(t, 120)
	require.NoError(t, w.store.Close())
	whole := readImage(t, w.fs, "data")
	rng := rand.New(rand.NewPCG(*seed, 8))
	found, lost, unknown := map[string]int{}, 0, 0
	for range rounds {
		fs := vfs.NewMem()
		require.NoError(t, whole.write(fs, "data"))
		what := damage(t, rng, fs)
		if what[0] == ' ' {
			continue
		}
		r := check(t, fs, false)
		require.False(t, r.OK(), what)
		require.False(t, r.Repaired)
		for sort, n := range r.Found {
			found[sort] += n
		}
		r = check(t, fs, true)
		require.True(t, r.Repaired, what)
		_, err := fs.Stat(r.Kept)
		require.NoError(t, err)
		for _, one := range r.Registries {
			lost += one.Lost
			if one.Unknown {
				unknown++
			}
		}
		again := check(t, fs, true)
		require.True(t, again.OK(), "%s: %+v, then %+v", what, r, again)
		s, err := store.Open("data", small(fs))
		require.NoError(t, err)
		require.NoError(t, w.healed(s), "%s: %+v", what, r)
		ceiling, err := s.Ceiling()
		require.NoError(t, err)
		require.GreaterOrEqual(t, ceiling, w.twin.ceiling)
		note, err := s.Note("note")
		require.NoError(t, err)
		require.Equal(t, w.twin.note, string(note))
		require.NoError(t, s.Close())
	}
	t.Logf("seed %d: %d rows damaged: %v; %d writes lost, %d times unknown how many", *seed, rounds, found, lost, unknown)
	require.Positive(t, lost)
	require.Positive(t, unknown)
}

// Whatever byte is changed: a check says what cannot be read, and a repair, where
// it is possible, leaves a store that peers can heal.
func TestChangedBytesAreFoundAndRepaired(t *testing.T) {
	every := 293
	if *all {
		every = 13
	}
	w := newWorkload(7, vfs.NewMem())
	w.big, w.how = 40, func(fs vfs.FS) store.Options { return store.Tuned(store.Options{FS: fs}, 300, nil) }
	require.NoError(t, w.run(100))
	for name := range w.disks {
		require.NoError(t, w.commit(name))
		require.NoError(t, w.store.Release(name))
	}
	require.NoError(t, w.store.FlushTables())
	require.NoError(t, w.store.Close())
	whole, ended := readImage(t, w.fs, "data"), endings{}
	rng := rand.New(rand.NewPCG(*seed, 9))
	for name, b := range whole {
		for at := rng.IntN(every); at < len(b); at += every {
			was := b[at]
			b[at] ^= byte(1 + rng.IntN(255))
			how, err := w.checked(t, whole)
			require.NoError(t, err, "%s, byte %d from %#x to %#x", name, at, was, b[at])
			b[at] = was
			ended[how]++
		}
	}
	t.Logf("seed %d: %s", *seed, ended)
	require.NotZero(t, ended["repaired"])
	require.NotZero(t, ended["begun anew"])
}

func (w *workload) checked(t *testing.T, i image) (how string, err error) {
	fs := vfs.NewMem()
	if err := i.write(fs, "data"); err != nil {
		return "", err
	}
	r, err := store.Check(t.Context(), "data", small(fs), digestKeyOf, true)
	switch {
	case errors.Is(err, store.ErrFormat):
		return "said to be of another format", nil
	case err != nil:
		return "", err
	case r.Repaired && len(r.Registries) == 0:
		how = "begun anew"
	case r.Repaired:
		how = "repaired"
	case r.OK():
		how = "nothing found"
	default:
		return "", fmt.Errorf("not repaired: %+v", r)
	}
	s, err := store.Open("data", small(fs))
	if err != nil {
		return how, err
	}
	if err = w.healed(s); err != nil {
		err = fmt.Errorf("%s: %w: %+v", how, err, r)
	}
	return how, errors.Join(err, s.Close())
}

// A crash leaves the damaged store or the repaired one, whatever is between them goes on the next time, and what others
// keep in the directory stays.
func TestACrashLeavesNoHalfRepairedStore(t *testing.T) {
	w := written(t, 120)
	require.NoError(t, w.store.Close())
	whole := readImage(t, w.fs, "data")
	whole["identity.key"] = []byte("a key")
	rng := rand.New(rand.NewPCG(*seed, 9))
	disk := vfs.NewCrashableMem()
	require.NoError(t, whole.write(disk, "data"))
	what := " "
	for what[0] == ' ' {
		what = damage(t, rng, disk)
	}
	for _, dir := range []string{"", "data"} {
		d, err := disk.OpenDir(dir)
		require.NoError(t, err)
		require.NoError(t, errors.Join(d.Sync(), d.Close()))
	}
	repair := func(fs vfs.FS) store.Report { return check(t, fs, true) }
	before, after := 0, 0
	for _, fs := range crashAt(disk, rng, 3, func(fs vfs.FS) { require.True(t, repair(fs).Repaired) }) {
		for _, fs := range append(crashAt(fs, rng, 41, func(fs vfs.FS) { repair(fs) }), fs) {
			if r := repair(fs); r.Repaired {
				before++
			} else {
				after++
			}
			r := check(t, fs, false)
			require.True(t, r.OK(), "%s: %+v", what, r)
			s, err := store.Open("data", small(fs))
			require.NoError(t, err)
			require.NoError(t, w.healed(s))
			require.NoError(t, s.Close())
			names, err := fs.List("data")
			require.NoError(t, err)
			require.Contains(t, names, "identity.key")
			require.Contains(t, names, "minikv.damaged")
			for _, name := range names {
				require.NotContains(t, []string{"minikv.making", "minikv.made", "minikv.moving", "minikv.aside"}, name)
			}
		}
	}
	t.Logf("%s: stopped before the end %d times, behind it %d times", what, before, after)
	require.Greater(t, before, 10)
	require.Greater(t, after, 3)
}

func TestCheckRefusesWhatIsNoStore(t *testing.T) {
	fs := vfs.NewMem()
	_, err := store.Check(t.Context(), "data", store.Options{FS: fs}, digestKeyOf, true)
	require.ErrorIs(t, err, store.ErrFormat)
	names, err := fs.List("")
	require.NoError(t, err)
	require.Empty(t, names)
	others := image{"letter.txt": []byte("dear"), "of-another-program.log": []byte("begun")}
	require.NoError(t, others.write(fs, "other"))
	_, err = store.Check(t.Context(), "other", store.Options{FS: fs}, digestKeyOf, true)
	require.ErrorIs(t, err, store.ErrFormat)
	require.Equal(t, others, readImage(t, fs, "other"), "nothing is made where there was no store")
}
