package datastore_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/datastore"
)

var ctx = context.Background()

func TestFeatures(t *testing.T) {
	var names []string
	for _, f := range ds.FeaturesForDatastore(open(t, "", minikv.Config{})) {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{ds.FeatureNameBatching, ds.FeatureNameGC, ds.FeatureNamePersistent, ds.FeatureNameTTL}, names)
}

func TestKeys(t *testing.T) {
	d := open(t, "", minikv.Config{})
	longest := ds.RawKey("/" + strings.Repeat("k", minikv.MaxKeyLen-1))
	require.NoError(t, d.Put(ctx, longest, nil))
	has, err := d.Has(ctx, longest)
	require.NoError(t, err)
	require.True(t, has)
	tooLong := longest.ChildString("x")
	require.ErrorIs(t, d.Put(ctx, tooLong, nil), minikv.ErrKeyInvalid)
	_, err = d.Get(ctx, tooLong)
	require.ErrorIs(t, err, minikv.ErrKeyInvalid)
	b, err := d.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, b.Put(ctx, tooLong, nil))
	require.ErrorIs(t, b.Commit(ctx), minikv.ErrKeyInvalid)
	require.ErrorIs(t, d.Put(ctx, ds.Key{}, nil), minikv.ErrKeyInvalid, "the zero key has no text")
	require.NoError(t, d.Put(ctx, ds.NewKey(""), []byte("root")))

	e, err := d.Registry().Get(ctx, "/")
	require.NoError(t, err)
	require.Equal(t, "root", string(e.Value), "the key of the registry is the same text")
}

func TestKeysOfOthersAreNotShown(t *testing.T) {
	d := open(t, "", minikv.Config{})
	for _, key := range []string{"bare", "/dir/", "//", "/a", "/a/b", "\x00"} {
		_, err := d.Registry().Put(ctx, key, []byte("v"))
		require.NoError(t, err)
	}
	for _, keysOnly := range []bool{true, false} {
		require.Equal(t, []string{"/a", "/a/b"}, keys(t, d, query.Query{KeysOnly: keysOnly}), "of others RawKey would panic")
	}
}

func TestQuery(t *testing.T) {
	d := open(t, "", minikv.Config{})
	for i, key := range []string{"/c", "/a", "/a/1", "/a/2", "/ab", "/a/1/x", "/"} {
		require.NoError(t, d.Put(ctx, ds.RawKey(key), []byte{byte(10 - i)}))
	}
	low := query.FilterValueCompare{Op: query.LessThan, Value: []byte{9}}
	for name, tc := range map[string]struct {
		q    query.Query
		want []string
	}{
		"all, the root included":       {query.Query{}, []string{"/", "/a", "/a/1", "/a/1/x", "/a/2", "/ab", "/c"}},
		"strictly below":               {query.Query{Prefix: "/a"}, []string{"/a/1", "/a/1/x", "/a/2"}},
		"an unclean prefix":            {query.Query{Prefix: "x/../a//"}, []string{"/a/1", "/a/1/x", "/a/2"}},
		"by key, offset and limit":     {query.Query{Orders: []query.Order{query.OrderByKey{}}, Offset: 1, Limit: 2}, []string{"/a", "/a/1"}},
		"descending":                   {query.Query{Prefix: "/a", Orders: []query.Order{&query.OrderByKeyDescending{}}, KeysOnly: true}, []string{"/a/2", "/a/1/x", "/a/1"}},
		"a filter by key":              {query.Query{Filters: []query.Filter{query.FilterKeyPrefix{Prefix: "/ab"}}, KeysOnly: true}, []string{"/ab"}},
		"a filter by value, keys only": {query.Query{Prefix: "/a", Filters: []query.Filter{low}, KeysOnly: true}, []string{"/a/1", "/a/1/x", "/a/2"}},
		"by value, keys only":          {query.Query{Orders: []query.Order{query.OrderByValue{}}, KeysOnly: true, Limit: 2}, []string{"/", "/a/1/x"}},
		"nothing there":                {query.Query{Prefix: "/none"}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, keys(t, d, tc.q)) })
	}
}

func TestQueryGivesWhatWasAskedFor(t *testing.T) {
	d := open(t, "", minikv.Config{})
	require.NoError(t, d.PutWithTTL(ctx, ds.NewKey("k"), []byte("value"), time.Hour))
	for _, q := range []query.Query{{}, {KeysOnly: true}, {KeysOnly: true, ReturnsSizes: true}, {KeysOnly: true, ReturnExpirations: true}, {ReturnExpirations: true}} {
		e := entries(t, d, q)[0]
		require.Equal(t, !q.KeysOnly, bytes.Equal([]byte("value"), e.Value), q)
		require.Equal(t, q.ReturnExpirations, !e.Expiration.IsZero(), q)
		if q.ReturnsSizes || !q.KeysOnly {
			require.Equal(t, 5, e.Size, q)
		}
	}
	require.Equal(t, -1, entries(t, d, query.Query{KeysOnly: true})[0].Size, "not known")
}

func TestQuerySeesOneMoment(t *testing.T) {
	d := open(t, "", minikv.Config{})
	for i := range 10 {
		require.NoError(t, d.Put(ctx, ds.NewKey(fmt.Sprint(i)), nil))
	}
	res, err := d.Query(ctx, query.Query{})
	require.NoError(t, err)
	n := 0
	for r := range res.Next() {
		require.NoError(t, r.Error)
		require.NoError(t, d.Delete(ctx, ds.RawKey(r.Key)))
		require.NoError(t, d.Put(ctx, ds.RawKey(r.Key).ChildString("new"), nil))
		n++
	}
	require.Equal(t, 10, n)
	require.Len(t, keys(t, d, query.Query{}), 10)
}

func TestQueryEndsWithItsContext(t *testing.T) {
	d := open(t, "", minikv.Config{})
	for i := range 1000 {
		require.NoError(t, d.Put(ctx, ds.NewKey(fmt.Sprint(i)), nil))
	}
	ctx, cancel := context.WithCancel(ctx)
	res, err := d.Query(ctx, query.Query{})
	require.NoError(t, err)
	_, ok := res.NextSync()
	require.True(t, ok)
	cancel()
	_, err = res.Rest()
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, res.Close())
	require.NoError(t, res.Close(), "twice is fine")

	early, err := d.Query(context.Background(), query.Query{Limit: 10})
	require.NoError(t, err)
	require.NoError(t, early.Close())
	_, ok = early.NextSync()
	require.False(t, ok)
}

func TestTTL(t *testing.T) {
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	d := open(t, "", minikv.Config{Clock: clock})
	key, never := ds.NewKey("k"), ds.NewKey("never")
	require.NoError(t, d.PutWithTTL(ctx, key, []byte("v"), time.Minute))
	require.NoError(t, d.Put(ctx, never, []byte("v")))
	expires, err := d.GetExpiration(ctx, key)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Minute), expires, 10*time.Second)
	expires, err = d.GetExpiration(ctx, never)
	require.NoError(t, err)
	require.Zero(t, expires)

	require.NoError(t, d.SetTTL(ctx, key, time.Hour))
	ahead.Add(int64(2 * time.Minute))
	v, err := d.Get(ctx, key)
	require.NoError(t, err, "the longer expiry counts")
	require.Equal(t, "v", string(v))
	ahead.Add(int64(time.Hour))
	_, err = d.Get(ctx, key)
	require.Equal(t, ds.ErrNotFound, err)
	require.Equal(t, []string{"/never"}, keys(t, d, query.Query{}))
	require.Equal(t, ds.ErrNotFound, d.SetTTL(ctx, key, time.Hour))
	_, err = d.GetExpiration(ctx, key)
	require.Equal(t, ds.ErrNotFound, err)
	require.ErrorIs(t, d.PutWithTTL(ctx, key, nil, 0), minikv.ErrInvalid)
	require.ErrorIs(t, d.SetTTL(ctx, never, -1), minikv.ErrInvalid)
	require.NoError(t, d.SetTTL(ctx, never, time.Minute))
	require.NoError(t, d.Put(ctx, never, nil))
	expires, err = d.GetExpiration(ctx, never)
	require.NoError(t, err)
	require.Zero(t, expires, "a put takes the expiry away")
}

func TestErrorsOfTheRegistryComeThrough(t *testing.T) {
	d := open(t, "", minikv.Config{MaxValueLen: 10})
	key := ds.NewKey("k")
	require.ErrorIs(t, d.Put(ctx, key, make([]byte, 11)), minikv.ErrTooLarge)
	lease, err := d.Registry().Lock(ctx, key.String())
	require.NoError(t, err)
	require.ErrorIs(t, d.Put(ctx, key, nil), minikv.ErrLocked)
	require.ErrorIs(t, d.Delete(ctx, key), minikv.ErrLocked)
	require.NoError(t, lease.Unlock(ctx))
	require.NoError(t, d.Delete(ctx, key))

	readOnly := open(t, "", minikv.Config{}, minikv.ReadOnly())
	require.ErrorIs(t, readOnly.Put(ctx, key, nil), minikv.ErrReadOnly)
}

func TestSyncDiskUsageAndGarbage(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		d := open(t, "", minikv.Config{})
		used, err := ds.DiskUsage(ctx, d)
		require.NoError(t, err)
		require.Zero(t, used)
		require.NoError(t, d.CollectGarbage(ctx))
		require.NoError(t, d.Sync(ctx, ds.NewKey("")))
	})
	t.Run("directory", func(t *testing.T) {
		d := open(t, t.TempDir(), minikv.Config{Durability: minikv.DurabilityAsync})
		b, err := d.Batch(ctx)
		require.NoError(t, err)
		for range 20 {
			for i := range 200 {
				value := bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), 512)
				require.NoError(t, b.Put(ctx, ds.NewKey(fmt.Sprint(i)), value))
			}
			require.NoError(t, b.Commit(ctx))
		}
		require.NoError(t, d.Sync(ctx, ds.NewKey("")))
		before, err := ds.DiskUsage(ctx, d)
		require.NoError(t, err)
		require.NoError(t, d.CollectGarbage(ctx))
		after, err := ds.DiskUsage(ctx, d)
		require.NoError(t, err)
		require.Less(t, after, before/2)
	})
}

func TestClose(t *testing.T) {
	d := open(t, "", minikv.Config{})
	key := ds.NewKey("k")
	b, err := d.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, d.Put(ctx, key, []byte("v")))
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	_, getErr := d.Get(ctx, key)
	_, hasErr := d.Has(ctx, key)
	_, sizeErr := d.GetSize(ctx, key)
	_, queryErr := d.Query(ctx, query.Query{})
	_, batchErr := d.Batch(ctx)
	_, expErr := d.GetExpiration(ctx, key)
	_, usageErr := d.DiskUsage(ctx)
	for name, err := range map[string]error{
		"get": getErr, "has": hasErr, "size": sizeErr, "query": queryErr, "batch": batchErr, "expiration": expErr, "usage": usageErr,
		"put": d.Put(ctx, key, nil), "delete": d.Delete(ctx, key), "sync": d.Sync(ctx, key), "commit": b.Commit(ctx),
		"set ttl": d.SetTTL(ctx, key, time.Hour), "put ttl": d.PutWithTTL(ctx, key, nil, time.Hour), "gc": d.CollectGarbage(ctx),
	} {
		require.ErrorIs(t, err, minikv.ErrClosed, name)
	}
	e, err := d.Registry().Get(ctx, "/k")
	require.NoError(t, err, "the registry stays open")
	require.Equal(t, "v", string(e.Value))

	other := datastore.New(d.Registry())
	require.NoError(t, d.Registry().Node().Close())
	_, err = other.Get(ctx, key)
	require.ErrorIs(t, err, minikv.ErrClosed)
	require.NoError(t, other.Close(), "after the node is fine")
}

func entries(t testing.TB, d ds.Datastore, q query.Query) []query.Entry {
	t.Helper()
	res, err := d.Query(ctx, q)
	require.NoError(t, err)
	all, err := res.Rest()
	require.NoError(t, err)
	return all
}

func keys(t testing.TB, d ds.Datastore, q query.Query) (names []string) {
	t.Helper()
	for _, e := range entries(t, d, q) {
		names = append(names, e.Key)
	}
	return names
}
