package store_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// A byte of the last log changes after a crash, or after a clean end. What is there
// would look like a whole store of an earlier moment.
func TestADamagedLogIsNoticed(t *testing.T) {
	for _, end := range []string{"a crash", "a clean end"} {
		t.Run(end, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			s, err := store.Open("data", store.Options{FS: fs})
			require.NoError(t, err)
			m := mapOf(t, s)
			for seq := range uint64(300) {
				m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: "key", Value: []byte(strings.Repeat("v", 300)), Dot: dot(1, seq+1), Stamp: hlc.Timestamp(seq + 1)})
				require.NoError(t, m.Commit())
				require.NoError(t, s.Flush())
			}
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(*seed, 7))}) // as after the end of the process
			require.NoError(t, s.Close())
			disk := vfs.FS(fs)
			if end == "a crash" {
				disk = crashed
			}
			whole := readImage(t, disk, "data")
			require.NoError(t, whole.open(t))
			log := lastLog(whole)
			end := used(whole[log])
			require.Greater(t, end, 2*32<<10)
			for at := 100; at < end-60; at += 997 {
				whole[log][at] ^= 0x10
				require.ErrorIs(t, whole.open(t), store.ErrCorrupt, "byte %d of %d", at, end)
				whole[log][at] ^= 0x10
			}
			require.Greater(t, len(whole[log]), end+100)
			whole[log][end+100] ^= 0x10
			require.NoError(t, whole.open(t), "nothing was written there")
			whole[log][end+100] ^= 0x10
			short := image{}
			for name, b := range whole {
				short[name] = b
			}
			short[log] = short[log][:end/2]
			require.ErrorIs(t, short.open(t), store.ErrCorrupt, "a log that was cut")
		})
	}
}

// After a repair the store goes on from before the damage, and peers are asked for the rest.
func TestADamagedLogIsRepaired(t *testing.T) {
	fs := vfs.NewMem()
	s, err := store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	m := mapOf(t, s)
	for seq := range uint64(10) {
		m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: string(rune('a' + seq)), Dot: dot(1, seq+1), Stamp: hlc.Timestamp(seq + 1)})
		require.NoError(t, m.Commit())
		require.NoError(t, s.Flush())
	}
	require.NoError(t, s.Close())
	whole := readImage(t, fs, "data")
	log := lastLog(whole)
	whole[log][used(whole[log])-200] ^= 1
	fs = vfs.NewMem()
	require.NoError(t, whole.write(fs, "data"))

	r := check(t, fs, false)
	require.Equal(t, map[string]int{store.FaultLog: 1}, r.Found)
	r = check(t, fs, true)
	require.True(t, r.Repaired)
	s, err = store.Open("data", store.Options{FS: fs})
	require.NoError(t, err)
	ceiling, err := s.Ceiling()
	require.NoError(t, err)
	require.NotZero(t, ceiling, "the one that was reserved may be in the missing part")
	m = mapOf(t, s)
	require.Less(t, m.Len(lwwmap.Data), 10)
	require.NotZero(t, m.Len(lwwmap.Data))
	require.Equal(t, uint64(m.Len(lwwmap.Data)), m.Context().Max(1), "nothing is said to have been seen that is not there")
	require.NoError(t, s.Close())
}

// used is how much of a log is not the zeros that were written ahead.
func used(log []byte) int { return len(bytes.TrimRight(log, "\x00")) }

// lastLog is the name of the newest log that has anything in it.
func lastLog(i image) (last string) {
	for name, b := range i {
		if strings.HasSuffix(name, ".log") && name > last && used(b) > 100 {
			last = name
		}
	}
	return last
}
