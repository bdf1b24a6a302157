package lwwmap_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

// filled holds n keys, each third of which expires at 1000 plus its number.
func filled(n int) *writer {
	w := &writer{m: lwwmap.New(nil), actor: 1}
	for i := range n {
		w.seq++
		e := entry(fmt.Sprintf("key %04d", i), "v", 1, w.seq)
		if i%3 == 0 {
			e.Expires = hlc.Timestamp(1000 + i)
		}
		w.m.Write(e)
	}
	return w
}

// sum is the digest of what a walk meets.
func sum(ascend func(fn func(lwwmap.Record) bool)) (d lwwmap.Digest, n int) {
	ascend(func(r lwwmap.Record) bool {
		if !r.Deleted() {
			d = d.Add(r.Hash())
		}
		n++
		return true
	})
	return d, n
}

// Run with -race: any number of goroutines read while the map is written.
func TestReadersOfTheMomentAreNotDisturbed(t *testing.T) {
	w := filled(1000)
	root := w.m.Root()
	snap, scan := w.m.Snapshot(), w.m.Scan(lwwmap.Data)
	var readers sync.WaitGroup
	errs := make(chan error, 100)
	for range 4 {
		readers.Go(func() {
			for range 20 {
				walked, n := sum(func(fn func(lwwmap.Record) bool) { snap.Ascend(lwwmap.Data, "", "", fn) })
				scanned, _ := sum(func(fn func(lwwmap.Record) bool) { scan.Ascend("", "", fn) })
				tree := snap.SumsAt(0)
				if walked != root || scanned != root || n != 1000 || tree.Root() != root || snap.RootAt(0) != root {
					errs <- fmt.Errorf("a reader saw a later moment")
				}
				if snap.Get(lwwmap.Data, "key 0500").IsZero() || !snap.Get(lwwmap.Data, "new").IsZero() {
					errs <- fmt.Errorf("a lookup saw a later moment")
				}
			}
		})
	}
	for i := range 2000 {
		w.put(fmt.Sprintf("key %04d", i), []byte("w"))
		switch i % 100 {
		case 0:
			w.m.Snapshot()
		case 50:
			w.m.Expire(hlc.Timestamp(1000+i), 5)
		}
	}
	w.put("new", nil)
	readers.Wait()
	close(errs)
	require.NoError(t, <-errs)
	require.NotEqual(t, root, w.m.Root())
}

func TestASnapshotTellsWhatAMapTells(t *testing.T) {
	w := filled(300)
	w.m.Forget(w.m.Get(lwwmap.Data, "key 0007"))
	s := w.m.Snapshot()
	context, horizons := w.m.Context().Clone(), w.m.Horizons()
	w.put("later", nil)
	w.m.Forget(w.m.Get(lwwmap.Data, "later"))
	require.True(t, context.Equal(s.Context()))
	require.Equal(t, horizons, s.Horizons())
	require.Equal(t, 299, s.Len(lwwmap.Data))
	require.Zero(t, s.Len(lwwmap.Lease))
	e := entry("key 0001", "v", 1, 2)
	require.Equal(t, s.Get(lwwmap.Data, "key 0001").Hash(), s.Pack(&e).Hash())
}

func TestSumsLeaveOutWhatHasExpired(t *testing.T) {
	w := filled(300)
	gone := tombstone("gone", 2, 1)
	gone.Expires = 5 // no honest writer's
	w.m.Apply(gone)
	s := w.m.Snapshot()
	for _, at := range []hlc.Timestamp{0, 999, 1000, 1001, 1150, hlc.Max} {
		var want lwwmap.Digest
		n := 0
		s.Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
			if !r.Dead(at) {
				want = want.Add(r.Hash())
				n++
			}
			return true
		})
		tree := s.SumsAt(at)
		require.Equal(t, want, tree.Root())
		require.Equal(t, want, s.RootAt(at))
		require.Equal(t, want, w.m.RootAt(at))
		var sum lwwmap.Digest
		for _, d := range tree.Tops() {
			sum = sum.Add(d)
		}
		require.Equal(t, want, sum)
	}
	require.Equal(t, w.m.Root(), s.RootAt(0), "and taking them out left the snapshot as it was")
}

func TestBucketsHoldAllOfTheirKeys(t *testing.T) {
	w := filled(300)
	for i, kind := range []lwwmap.Kind{lwwmap.Lease, lwwmap.Origin} {
		e := entry("key 0001", "v", 2, uint64(i+1))
		e.Kind = kind
		w.m.Apply(e)
	}
	s := w.m.Snapshot()
	n := 0
	s.Buckets(func(b lwwmap.Bucket) bool { return b%2 == 0 }, func(b lwwmap.Bucket, r lwwmap.Record) {
		require.Zero(t, b%2)
		require.Equal(t, lwwmap.BucketOf(r.Kind(), r.Key()), b)
		n++
	})
	s.Buckets(func(b lwwmap.Bucket) bool { return b%2 == 1 }, func(lwwmap.Bucket, lwwmap.Record) { n++ })
	require.Equal(t, 302, n)
}

func TestWalksCanBeLeftEarly(t *testing.T) {
	w := filled(300)
	n := 0
	stop := func(lwwmap.Record) bool { n++; return n < 5 }
	w.m.Ascend(lwwmap.Data, "", "", stop)
	require.Equal(t, 5, n)
	for _, span := range []crdt.Ranges{{{Lo: 1, Hi: 300}}, {{Lo: 1, Hi: 5}, {Lo: 10, Hi: 20}}, {{Lo: 60, Hi: 70}}} {
		n = 0
		w.m.Dots(crdt.Span{Actor: 1, Ranges: span}, stop)
		require.Equal(t, 5, n)
	}
	n = 0
	w.m.Dots(crdt.Span{Actor: 2, Ranges: crdt.Ranges{{Lo: 1, Hi: 5}}}, stop)
	require.Zero(t, n)
}
