package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

// follower reads what an actor writes by dot, some at a time, as the one does who
// sends it, and compares map and twin.
type follower struct {
	t          *testing.T
	rng        *rand.Rand
	disk, twin *lwwmap.Map
	last, read uint64
	most       int // the longest it was behind
}

func (f *follower) write(writer crdt.Actor, seq uint64, keys int) {
	e := lwwmap.Entry{
		Kind: lwwmap.Data, Key: fmt.Sprint("key", f.rng.IntN(keys)), Dot: dot(writer, seq), Stamp: f.twin.Clock() + 1,
		Value: []byte(strings.Repeat("v", f.rng.IntN(60))),
	}
	if e.Deleted = f.rng.IntN(20) == 0; e.Deleted {
		e.Value = nil
	}
	f.twin.Observe(e.Stamp)
	f.disk.Apply(e)
	f.twin.Apply(e)
	if f.rng.IntN(3) == 0 {
		require.NoError(f.t, f.disk.Commit())
	}
}

// follow reads up to n records.
func (f *follower) follow(n int) {
	f.most = max(f.most, int(f.last-f.read))
	span := crdt.Span{Actor: 1, Ranges: crdt.Ranges{{Lo: f.read + 1, Hi: f.last}}}
	at := f.last
	list := func(m *lwwmap.Map) []string {
		return storetest.List(n, func(fn func(lwwmap.Record) bool) {
			m.Dots(span, func(r lwwmap.Record) bool {
				more := fn(r)
				if !more {
					at = r.Dot().Seq - 1
				}
				return more
			})
		})
	}
	require.Equal(f.t, list(f.twin), list(f.disk), "seed %d, from %d to %d", *seed, f.read+1, f.last)
	require.NoError(f.t, f.disk.Err())
	f.read = at
}

// run writes and reads by turns.
func (f *follower) run(writes int) {
	for range writes {
		f.last++
		switch f.rng.IntN(1000) {
		case 0: // a gap
			f.last += uint64(f.rng.IntN(100))
		case 1: // another key under a dot that is taken
			f.write(1, max(1, f.last-uint64(f.rng.IntN(200))), 2000)
		}
		f.write(1, f.last, 2000)
		if f.rng.IntN(4) == 0 {
			f.write(2, f.last, 2000)
		}
		if f.rng.IntN(100) == 0 {
			f.follow(f.rng.IntN(250))
		}
		if f.rng.IntN(2000) == 0 {
			f.follow(1 << 20)
		}
	}
	f.follow(1 << 20)
}

// What is kept to be sent is what is held, in memory, in the scratch file and in
// the table, whatever goes meanwhile.
func TestTheBacklogIsWhatIsHeld(t *testing.T) {
	t.Run("OK", func(t *testing.T) {
		var ops atomic.Int64
		s, f := newFollower(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if strings.Contains(op.Path, "unsent") {
				ops.Add(1)
			}
			return nil
		})))
		f.run(20_000)
		require.Greater(t, f.most, 300)
		require.Greater(t, ops.Load(), int64(100))
		require.NoError(t, s.Close())
	})
	t.Run("the scratch file fails", func(t *testing.T) {
		var ops, failed atomic.Int64
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !strings.Contains(op.Path, "unsent") || ops.Add(1)%7 != 0 {
				return nil
			}
			failed.Add(1)
			return errorfs.ErrInjected
		}))
		s, f := newFollower(t, fs)
		f.run(20_000)
		require.Greater(t, failed.Load(), int64(10))
		require.NoError(t, s.Close())
	})
	t.Run("the scratch file is damaged", func(t *testing.T) {
		fs := damaging{vfs.NewMem(), new(int)}
		s, f := newFollower(t, fs)
		f.run(20_000)
		require.Greater(t, *fs.reads, 10)
		require.NoError(t, s.Close())
	})
}

// The scratch file goes with the one who kept it.
func TestTheScratchFileGoes(t *testing.T) {
	fs := vfs.NewMem()
	scratch := func() (found []string) {
		names, err := fs.List("data")
		require.NoError(t, err)
		for _, n := range names {
			if strings.HasPrefix(n, "minikv.unsent.") {
				found = append(found, n)
			}
		}
		return found
	}
	fill := func(s *store.Store, f *follower) {
		f.follow(1)
		for range 100 {
			f.last++
			f.write(1, f.last, 2000)
		}
		require.NoError(t, f.disk.Commit())
		require.Len(t, scratch(), 1)
	}
	s, f := newFollower(t, fs)
	fill(s, f)
	require.NoError(t, s.Release("registry"))
	require.Empty(t, scratch())
	f.disk, f.last = mapOf(t, s), f.last+1
	fill(s, f)
	f.follow(1 << 20)
	f.follow(1 << 20)
	require.Empty(t, scratch())
	fill(s, f)
	require.NoError(t, s.Drop("registry"))
	require.Empty(t, scratch())
	require.NoError(t, s.Close())

	require.NoError(t, image{"minikv.unsent.7": []byte("of a crash")}.write(fs, "data"))
	s, err := store.Open("data", small(fs))
	require.NoError(t, err)
	require.Empty(t, scratch())
	require.NoError(t, s.Close())
}

// damaging is a file system that changes a byte of each chunk of a scratch file.
type damaging struct {
	*vfs.MemFS
	reads *int
}

// OpenReadWrite implements vfs.FS.
func (d damaging) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.MemFS.OpenReadWrite(name, c, o...)
	return damagingFile{f, d.reads}, err
}

type damagingFile struct {
	vfs.File
	reads *int
}

func (f damagingFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	p[n/2] ^= 1
	*f.reads++
	return n, err
}

func newFollower(t *testing.T, fs vfs.FS) (*store.Store, *follower) {
	s, err := store.Open("data", store.FewUnsent(store.Options{FS: fs}, 2000))
	require.NoError(t, err)
	f := &follower{t: t, rng: rand.New(rand.NewPCG(*seed, 5)), disk: mapOf(t, s), twin: lwwmap.New(storetest.DigestKey)}
	return s, f
}

func mapOf(t *testing.T, s *store.Store) *lwwmap.Map {
	m, err := s.Map("registry", storetest.DigestKey, nil)
	require.NoError(t, err)
	return m
}
