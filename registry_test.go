package minikv_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

var ctx = context.Background()

func TestGetReturnsTheWholeRecord(t *testing.T) {
	r := offline(t)
	before := time.Now().Truncate(time.Millisecond)
	rev := put(t, r, "k", "v", minikv.TTL(time.Hour))
	e, err := r.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "k", e.Key)
	require.Equal(t, []byte("v"), e.Value)
	require.Equal(t, rev, e.Rev)
	require.Equal(t, r.Node().ID(), e.Writer)
	require.Nil(t, e.Lock)
	require.False(t, e.Rev.Time().Before(before))
	require.WithinDuration(t, before.Add(time.Hour), e.Expires, 5*time.Second)
}

func TestValuesAreCopied(t *testing.T) {
	r := offline(t)
	v := []byte("abc")
	_, err := r.Put(ctx, "k", v)
	require.NoError(t, err)
	v[0] = 'X'
	e, err := r.Get(ctx, "k")
	require.NoError(t, err)
	e.Value[1] = 'X'
	require.Equal(t, "abc", value(t, r, "k"))
}

func TestNilAndEmptyValuesAreValues(t *testing.T) {
	r := offline(t)
	for _, v := range [][]byte{nil, {}} {
		_, err := r.Put(ctx, "k", v)
		require.NoError(t, err)
		e, err := r.Get(ctx, "k")
		require.NoError(t, err)
		require.NotNil(t, e.Value)
		require.Empty(t, e.Value)
	}
}

func TestDelete(t *testing.T) {
	r := offline(t)
	put(t, r, "k", "v")
	require.NoError(t, r.Delete(ctx, "k"))
	ok, err := r.Has(ctx, "k")
	require.NoError(t, err)
	require.False(t, ok)
	untimed := func() minikv.Metrics {
		m := r.Metrics()
		m.WriteTime = minikv.Timing{} // takes some calls, by chance
		return m
	}
	before := untimed()
	require.NoError(t, r.Delete(ctx, "k"), "nil when absent")
	require.NoError(t, r.Delete(ctx, "never there"))
	require.Equal(t, before, untimed(), "and nothing is written")
	put(t, r, "k", "again")
	require.Equal(t, "again", value(t, r, "k"))
}

func TestRevisionsGrow(t *testing.T) {
	r := offline(t)
	last := minikv.Revision{}
	for i := range 1000 {
		rev := put(t, r, "k", fmt.Sprint(i))
		require.Equal(t, 1, rev.Compare(last))
		last = rev
	}
	parsed, err := minikv.ParseRevision(last.String())
	require.NoError(t, err)
	require.Equal(t, last, parsed)
	_, err = minikv.ParseRevision("yesterday")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.True(t, minikv.Revision{}.IsZero())
}

func TestKeysOfAnyBytes(t *testing.T) {
	r := offline(t)
	for _, key := range []string{"\x00", "\xff\xfe", "a/b\nc", strings.Repeat("k", minikv.MaxKeyLen)} {
		put(t, r, key, key)
		require.Equal(t, key, value(t, r, key))
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		put(t, r, "short", "v", minikv.TTL(time.Second))
		put(t, r, "long", "v", minikv.TTL(time.Hour))
		put(t, r, "ever", "v")

		ttl, ok, err := r.TTL(ctx, "short")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, time.Second, ttl)
		_, ok, err = r.TTL(ctx, "ever")
		require.NoError(t, err)
		require.False(t, ok)

		time.Sleep(time.Second - time.Millisecond)
		require.Equal(t, "v", value(t, r, "short"))
		time.Sleep(time.Millisecond)
		require.Empty(t, value(t, r, "short"), "gone at once, by the clock alone")
		n, err := r.Len(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		require.EqualValues(t, 2, r.Metrics().Keys, "and reclaimed without being read")
		require.EqualValues(t, 1, r.Metrics().Expired)

		time.Sleep(time.Hour)
		require.Equal(t, []string{"ever"}, keysOf(t, r, ""))
	})
}

func TestExpireAndPersist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		rev := put(t, r, "k", "v", minikv.TTL(time.Minute))
		require.NoError(t, r.Expire(ctx, "k", 1500*time.Microsecond))
		ttl, _, err := r.TTL(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, 2*time.Millisecond, ttl, "rounded up")
		e, err := r.Get(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, "v", string(e.Value))
		require.Equal(t, 1, e.Rev.Compare(rev), "it is a write")

		require.NoError(t, r.Persist(ctx, "k"))
		_, ok, err := r.TTL(ctx, "k")
		require.NoError(t, err)
		require.False(t, ok)
		puts := r.Metrics().Puts
		require.NoError(t, r.Persist(ctx, "k"))
		require.Equal(t, puts, r.Metrics().Puts, "nothing to write")

		put(t, r, "gone", "v", minikv.TTL(time.Millisecond))
		time.Sleep(time.Millisecond)
		require.ErrorIs(t, r.Persist(ctx, "gone"), minikv.ErrNotFound, "an expired key is not revived")
		require.ErrorIs(t, r.Expire(ctx, "gone", time.Hour), minikv.ErrNotFound)
		require.ErrorIs(t, r.Expire(ctx, "absent", time.Hour), minikv.ErrNotFound)
		_, _, err = r.TTL(ctx, "absent")
		require.ErrorIs(t, err, minikv.ErrNotFound)
	})
}

func TestWhichTTLAPutTakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []minikv.PutOption
		want time.Duration // zero: none
	}{
		{"default", nil, time.Hour},
		{"given", []minikv.PutOption{minikv.TTL(time.Minute)}, time.Minute},
		{"persist", []minikv.PutOption{minikv.Persist()}, 0},
		{"persist beats ttl", []minikv.PutOption{minikv.TTL(time.Minute), minikv.Persist()}, 0},
		{"keep of an absent key", []minikv.PutOption{minikv.KeepTTL()}, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := offline(t, minikv.DefaultTTL(time.Hour))
				put(t, r, "k", "v", tt.opts...)
				got, _, err := r.TTL(ctx, "k")
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
				b := r.NewBatch()
				b.Put("b", []byte("v"), tt.opts...)
				_, err = b.Commit(ctx)
				require.NoError(t, err)
				got, _, err = r.TTL(ctx, "b")
				require.NoError(t, err)
				require.Equal(t, tt.want, got, "the same in a batch")
			})
		})
	}
	t.Run("a put drops the old one", func(t *testing.T) {
		r := offline(t)
		put(t, r, "k", "v", minikv.TTL(time.Minute))
		put(t, r, "k", "v")
		_, ok, err := r.TTL(ctx, "k")
		require.NoError(t, err)
		require.False(t, ok)
	})
	t.Run("KeepTTL keeps it", func(t *testing.T) {
		r := offline(t)
		put(t, r, "k", "v", minikv.TTL(time.Minute))
		before, _ := r.Get(ctx, "k")
		put(t, r, "k", "w", minikv.KeepTTL())
		after, _ := r.Get(ctx, "k")
		require.Equal(t, before.Expires, after.Expires)
		require.Equal(t, "w", string(after.Value))
	})
}

func keysOf(t testing.TB, r *minikv.Registry, prefix string) (keys []string) {
	t.Helper()
	for key, err := range r.Keys(ctx, prefix) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

func TestWalks(t *testing.T) {
	for _, size := range []int{0, 1, 10, 511, 512, 513, 5000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := offline(t)
			var want []string
			b := r.NewBatch()
			for i := range size {
				want = append(want, fmt.Sprintf("k/%05d", i))
				b.Put(want[i], []byte(want[i]))
			}
			b.Put("a", nil)
			b.Put("z", nil)
			b.Put("k/deleted", nil)
			_, err := b.Commit(ctx)
			require.NoError(t, err)
			require.NoError(t, r.Delete(ctx, "k/deleted"))

			require.Equal(t, want, keysOf(t, r, "k/"))
			require.Equal(t, want, entryKeys(t, r.Prefix(ctx, "k/")))
			require.Equal(t, append([]string{"a"}, append(want, "z")...), entryKeys(t, r.All(ctx)))
			require.Equal(t, want, entryKeys(t, r.Range(ctx, "b", "z")))
			require.Equal(t, append(slices.Clone(want), "z"), entryKeys(t, r.Range(ctx, "b", "")), "an empty end is no bound")
			n, err := r.Len(ctx)
			require.NoError(t, err)
			require.Equal(t, size+2, n)
		})
	}
}

func entryKeys(t testing.TB, seq func(func(minikv.Entry, error) bool)) (keys []string) {
	t.Helper()
	for e, err := range seq {
		require.NoError(t, err)
		if len(e.Value) > 0 {
			require.Equal(t, e.Key, string(e.Value))
		}
		keys = append(keys, e.Key)
	}
	return keys
}

func TestWalkSeesOneMoment(t *testing.T) {
	for _, size := range []int{10, 2000} {
		r := offline(t)
		for i := range size {
			put(t, r, fmt.Sprintf("%05d", i), "old")
		}
		n := 0
		for e, err := range r.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, "old", string(e.Value))
			put(t, r, fmt.Sprintf("%05d", size-1-n), "new")
			require.NoError(t, r.Delete(ctx, fmt.Sprintf("%05d", (n+size/2)%size)))
			n++
		}
		require.Equal(t, size, n)
	}
}

func TestWalkStopsEarly(t *testing.T) {
	for _, size := range []int{10, 2000} {
		r := offline(t)
		for i := range size {
			put(t, r, fmt.Sprintf("%05d", i), "v")
		}
		n := 0
		for range r.Keys(ctx, "") {
			if n++; n == 3 {
				break
			}
		}
		require.Equal(t, 3, n)

		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		n = 0
		var last error
		for _, err := range r.All(stop) {
			if last = err; err == nil {
				n++
				cancel()
			}
		}
		require.Equal(t, 1, n)
		require.ErrorIs(t, last, context.Canceled)
	}
}

func TestWalkEndsWithTheNode(t *testing.T) {
	r := offline(t)
	for i := range 10 {
		put(t, r, fmt.Sprint(i), "v")
	}
	var last error
	for _, err := range r.All(ctx) {
		last = err
		require.NoError(t, r.Node().Close())
	}
	require.ErrorIs(t, last, minikv.ErrClosed)
}

func TestRootFollowsTheContent(t *testing.T) {
	r := offline(t)
	require.Zero(t, r.Root())
	put(t, r, "k", "v")
	root := r.Root()
	require.NotZero(t, root)
	require.Len(t, root.String(), 32)
	put(t, r, "l", "v")
	require.NotEqual(t, root, r.Root())
}

func TestLimitsOfOtherConfigurations(t *testing.T) {
	r := openRegistry(t, openNode(t, minikv.Config{MaxKeyLen: 3, MaxValueLen: minikv.MaxValueLen}), "test")
	_, err := r.Put(ctx, "four", nil)
	require.ErrorIs(t, err, minikv.ErrKeyInvalid)
	big := bytes.Repeat([]byte("x"), minikv.MaxValueLen)
	_, err = r.Put(ctx, "big", big)
	require.NoError(t, err)
	e, err := r.Get(ctx, "big")
	require.NoError(t, err)
	require.Equal(t, big, e.Value)
	_, err = r.Put(ctx, "big", append(big, 'x'))
	require.ErrorIs(t, err, minikv.ErrTooLarge)
}

// A node reads the longer keys of its peers.
func TestKeysOfOtherConfigurations(t *testing.T) {
	a := openRegistry(t, online(t, minikv.Config{}), "test")
	b := openRegistry(t, online(t, minikv.Config{MaxKeyLen: 3}), "test")
	put(t, a, "four", "v")
	connect(t, a.Node(), b.Node())
	require.NoError(t, b.WaitSynced(within(t), 1))
	require.Equal(t, "v", value(t, b, "four"))
	_, _, ok, err := b.Peek(ctx, "four")
	require.NoError(t, err)
	require.True(t, ok)
	_, _, err = b.LockInfo(ctx, "four")
	require.NoError(t, err)
	require.ErrorIs(t, b.Delete(ctx, "four"), minikv.ErrKeyInvalid)
}

func TestRegistries(t *testing.T) {
	n := openNode(t, minikv.Config{NodeName: "kitchen"})
	require.Equal(t, "kitchen", n.Name())
	require.Empty(t, n.Addrs())
	b := openRegistry(t, n, "b")
	a := openRegistry(t, n, "a")
	require.Equal(t, "a", a.Name())
	require.Same(t, n, a.Node())
	again, err := n.Registry(ctx, "b")
	require.NoError(t, err)
	require.Same(t, b, again)
	require.Equal(t, []string{"a", "b"}, registryNames(t, n))

	put(t, a, "k", "v")
	require.NoError(t, n.DropRegistry(ctx, "a"))
	require.Equal(t, []string{"b"}, registryNames(t, n))
	_, err = a.Get(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrClosed)
	require.ErrorIs(t, n.DropRegistry(ctx, "a"), minikv.ErrNotFound)
	require.Empty(t, value(t, openRegistry(t, n, "a"), "k"), "a new one knows nothing")
}

func registryNames(t testing.TB, n *minikv.Node) (names []string) {
	t.Helper()
	for name, err := range n.Registries(ctx) {
		require.NoError(t, err)
		names = append(names, name)
	}
	return names
}

func TestRegistryOptionsMustAgree(t *testing.T) {
	n := openNode(t, minikv.Config{})
	r := openRegistry(t, n, "r", minikv.DefaultTTL(time.Hour))
	again, err := n.Registry(ctx, "r", minikv.DefaultTTL(time.Hour), minikv.Public())
	require.NoError(t, err)
	require.Same(t, r, again)
	_, err = n.Registry(ctx, "r", minikv.DefaultTTL(time.Minute))
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = n.Registry(ctx, "r", minikv.ReadOnly())
	require.ErrorIs(t, err, minikv.ErrInvalid)
}
