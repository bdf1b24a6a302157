package minikv_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// follower steps through a watch.
type follower struct {
	t    testing.TB
	next func() (minikv.Event, error, bool)
	stop func()
}

func follow(t testing.TB, r *minikv.Registry, prefix string, opts ...minikv.WatchOption) *follower {
	t.Helper()
	next, stop := iter.Pull2(r.Watch(within(t), prefix, opts...))
	t.Cleanup(stop)
	return &follower{t, next, stop}
}

// take returns the next event; it waits for it.
func (f *follower) take() minikv.Event {
	f.t.Helper()
	ev, err, ok := f.next()
	require.True(f.t, ok)
	require.NoError(f.t, err)
	return ev
}

// expect takes events and compares them with "kind key=value".
func (f *follower) expect(want ...string) (last minikv.Event) {
	f.t.Helper()
	for _, w := range want {
		last = f.take()
		require.Equal(f.t, w, show(last))
	}
	return last
}

func show(ev minikv.Event) string {
	switch ev.Kind {
	case minikv.EventSynced:
		return "synced"
	case minikv.EventPut:
		return fmt.Sprintf("put %s=%s", ev.Entry.Key, ev.Entry.Value)
	}
	return fmt.Sprintf("%s %s", ev.Kind, ev.Entry.Key)
}

func TestWatchTellsWhatIsThereThenWhatChanges(t *testing.T) {
	r := offline(t)
	put(t, r, "a/1", "x")
	put(t, r, "b/1", "other")
	put(t, r, "a/2", "y")
	put(t, r, "a/0", "z")
	require.NoError(t, r.Delete(ctx, "a/2"))
	f := follow(t, r, "a/")
	ev := f.expect("put a/0=z", "put a/1=x", "synced")
	require.Zero(t, ev.Entry)
	put(t, r, "b/2", "other")
	rev := put(t, r, "a/3", "new")
	require.NoError(t, r.Delete(ctx, "a/1"))
	ev = f.expect("put a/3=new")
	require.True(t, ev.Local)
	require.Equal(t, rev, ev.Entry.Rev)
	ev = f.expect("delete a/1")
	require.Nil(t, ev.Entry.Value)
	require.Equal(t, 1, ev.Entry.Rev.Compare(rev))
	require.Equal(t, r.Node().ID(), ev.Entry.Writer)
}

func TestWatchMergesPerKey(t *testing.T) {
	r := offline(t)
	f := follow(t, r, "", minikv.UpdatesOnly())
	f.expect("synced")
	for i := range 1000 {
		put(t, r, "a", fmt.Sprint(i))
		put(t, r, "b", fmt.Sprint(i))
	}
	require.Equal(t, 2, r.Metrics().WatchBacklog, "memory for distinct keys alone")
	f.expect("put a=999", "put b=999")
	put(t, r, "new", "v")
	require.NoError(t, r.Delete(ctx, "new"))
	f.expect("delete new")
	require.Zero(t, r.Metrics().WatchBacklog)
}

func TestWatchUpdatesOnly(t *testing.T) {
	r := offline(t)
	put(t, r, "old", "v")
	f := follow(t, r, "", minikv.UpdatesOnly())
	f.expect("synced")
	put(t, r, "new", "v")
	f.expect("put new=v")
}

func TestWatchManyPresentEntries(t *testing.T) {
	r := offline(t)
	const n = 10_000
	b := r.NewBatch()
	for i := range n {
		b.Put(fmt.Sprintf("%05d", i), []byte("v"))
	}
	_, err := b.Commit(ctx)
	require.NoError(t, err)
	f := follow(t, r, "")
	for i := range n {
		if i == 100 { // behind and ahead of the walk
			put(t, r, "00000", "behind")
			put(t, r, "09999", "ahead")
			require.NoError(t, r.Delete(ctx, "09998"))
			require.NoError(t, r.Delete(ctx, "00001"))
			put(t, r, "09997x", "between")
		}
		switch i {
		case n - 2:
			f.expect("put 09997x=between")
		case n - 1:
			f.expect("put 09999=ahead")
		default:
			f.expect(fmt.Sprintf("put %05d=v", i))
		}
	}
	f.expect("synced", "put 00000=behind", "delete 00001")
}

func TestWatchTellsExpiryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		put(t, r, "short", "v", minikv.TTL(50*time.Millisecond))
		f := follow(t, r, "")
		ev := f.expect("put short=v", "synced")
		require.Zero(t, ev.Entry.Expires)
		began := time.Now()
		ev = f.expect("expire short")
		require.Equal(t, 50*time.Millisecond, time.Since(began))
		require.Nil(t, ev.Entry.Value)
		put(t, r, "end", "v")
		f.expect("put end=v")
	})
}

func TestWatchOfExpiredKeysWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		f := follow(t, r, "")
		f.expect("synced")
		put(t, r, "a", "v", minikv.TTL(time.Second))
		put(t, r, "b", "v", minikv.TTL(time.Second))
		time.Sleep(2 * time.Second)
		put(t, r, "b", "again")
		f.expect("expire a", "put b=again")
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	r := offline(t)
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	var errs []error
	for ev, err := range r.Watch(stop, "") {
		if err != nil {
			errs = append(errs, err)
		} else if ev.Kind == minikv.EventSynced {
			time.AfterFunc(time.Millisecond, cancel)
		}
	}
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], context.Canceled)
	require.Zero(t, r.Metrics().Watches)
}

func TestWatchEndsWithTheNode(t *testing.T) {
	r := offline(t)
	f := follow(t, r, "")
	f.expect("synced")
	go r.Node().Close()
	_, err, ok := f.next()
	require.True(t, ok)
	require.ErrorIs(t, err, minikv.ErrClosed)
	_, _, ok = f.next()
	require.False(t, ok)
}

func TestWriterNeverWaitsForAWatch(t *testing.T) {
	r := offline(t)
	f := follow(t, r, "")
	f.expect("synced")
	for i := range 10_000 {
		put(t, r, fmt.Sprint(i), "v")
	}
	require.Equal(t, 10_000, r.Metrics().WatchBacklog)
}

func TestPositions(t *testing.T) {
	r := offline(t)
	put(t, r, "a", "1")
	f := follow(t, r, "")
	first := f.expect("put a=1")
	require.True(t, first.Position().IsZero(), "nothing is certain before all has been told")
	synced := f.expect("synced")
	at := synced.Position()
	require.False(t, at.IsZero())
	require.Equal(t, at, synced.Position())
	parsed, err := minikv.ParsePosition(at.String())
	require.NoError(t, err)
	require.Equal(t, at, parsed)
	text, err := at.MarshalText()
	require.NoError(t, err)
	var back minikv.Position
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, at, back)

	put(t, r, "b", "2")
	put(t, r, "c", "3")
	b := f.expect("put b=2")
	afterB := b.Position()
	require.True(t, synced.Position().IsZero(), "too late to ask")
	require.Zero(t, minikv.Event{}.Position())
	f.stop()
	require.NoError(t, r.Delete(ctx, "a"))

	follow(t, r, "", minikv.After(at)).expect("delete a", "put b=2", "put c=3", "synced")
	follow(t, r, "", minikv.After(afterB)).expect("delete a", "put c=3", "synced")
	follow(t, r, "", minikv.After(minikv.Position{})).expect("put b=2", "put c=3", "synced")
	_, err = minikv.ParsePosition("no position!")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = minikv.ParsePosition(strings.Repeat("A", 17<<20))
	require.ErrorIs(t, err, minikv.ErrInvalid)
	empty, err := minikv.ParsePosition("")
	require.NoError(t, err)
	require.True(t, empty.IsZero())
}

func TestResumedWatchWhileKeysGo(t *testing.T) {
	r := offline(t)
	const n = 1000
	b := r.NewBatch()
	for i := range n {
		b.Put(fmt.Sprintf("%05d", i), []byte("v"))
	}
	_, err := b.Commit(ctx)
	require.NoError(t, err)
	f := follow(t, r, "")
	for range n {
		f.take()
	}
	at := f.expect("synced").Position()
	f.stop()
	for i := range n {
		put(t, r, fmt.Sprintf("%05d", i), "w")
	}
	f = follow(t, r, "", minikv.After(at))
	f.expect("put 00000=w")
	require.NoError(t, r.Delete(ctx, "00900")) // ahead of the walk
	put(t, r, "00901", "x")
	for i := 1; i < n; i++ {
		switch i {
		case 900:
			f.expect("delete 00900")
		case 901:
			f.expect("put 00901=x")
		default:
			f.expect(fmt.Sprintf("put %05d=w", i))
		}
	}
	f.expect("synced")
	require.Zero(t, r.Metrics().WatchBacklog)
}

func TestResumeOnAnotherNode(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	put(t, a, "k", "1")
	put(t, a, "l", "1")
	requireEqual(t, regs...)
	f := follow(t, a, "")
	at := f.expect("put k=1", "put l=1", "synced").Position()
	put(t, b, "m", "2")
	require.NoError(t, b.Delete(ctx, "k"))
	requireEqual(t, regs...)
	follow(t, b, "", minikv.After(at)).expect("delete k", "put m=2", "synced")
	ev := f.take()
	require.False(t, ev.Local)
	require.Equal(t, b.Node().ID(), ev.Entry.Writer)
}

// A delete of a key that this node never had is told to a consumer that had it from another one, and to no
// other.
func TestDeleteOfAnUnknownKey(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	disconnect(t, a.Node(), b.Node())
	put(t, a, "k", "1")
	f := follow(t, a, "")
	at := f.expect("put k=1", "synced").Position()
	require.NoError(t, a.Delete(ctx, "k"))
	resumed, fresh := follow(t, b, "", minikv.After(at)), follow(t, b, "")
	resumed.expect("synced")
	fresh.expect("synced")
	connect(t, a.Node(), b.Node())
	resumed.expect("delete k")
	put(t, b, "l", "2")
	fresh.expect("put l=2")
}
