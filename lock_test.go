package minikv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func tryLock(t testing.TB, r *minikv.Registry, key string, opts ...minikv.LockOption) *minikv.Lease {
	t.Helper()
	l, err := r.TryLock(ctx, key, opts...)
	require.NoError(t, err)
	return l
}

func TestLeaseLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		l := tryLock(t, r, "k", minikv.TTL(12*time.Second), minikv.Meta([]byte("cron")))
		require.Equal(t, "k", l.Key())
		require.False(t, l.Token().IsZero())
		require.NoError(t, l.Err())
		require.NoError(t, l.Check(8*time.Second))
		require.Equal(t, 9*time.Second, time.Until(l.Until()), "a margin before others may take the key")

		info, ok, err := r.LockInfo(ctx, "k")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, minikv.LockInfo{
			Key: "k", Owner: r.Node().ID(), Token: l.Token(), TTL: 12 * time.Second, Since: time.Now(), Until: time.Now().Add(15 * time.Second), Meta: []byte("cron"),
		}, localTimes(info))

		time.Sleep(61 * time.Second)
		require.NoError(t, l.Check(5*time.Second), "it renews itself every 4 s")
		info, _, err = r.LockInfo(ctx, "k")
		require.NoError(t, err)
		require.EqualValues(t, 15, info.Renewals)
		require.Equal(t, l.Token(), info.Token)

		require.NoError(t, l.Unlock(ctx))
		require.NoError(t, l.Unlock(ctx), "idempotent")
		<-l.Done()
		require.NoError(t, l.Err(), "nil after Unlock")
		require.Equal(t, context.Canceled, context.Cause(l.Context()))
		_, ok, err = r.LockInfo(ctx, "k")
		require.NoError(t, err)
		require.False(t, ok)
		m := r.Metrics()
		require.EqualValues(t, 1, m.LeasesHeld)
		require.Zero(t, m.LeasesLost)
	})
}

func localTimes(info minikv.LockInfo) minikv.LockInfo {
	info.Since, info.Until = info.Since.Local(), info.Until.Local()
	return info
}

func TestWritesUnderALease(t *testing.T) {
	r := offline(t)
	put(t, r, "k", "before")
	l := tryLock(t, r, "k")
	_, err := r.Put(ctx, "k", nil)
	require.ErrorIs(t, err, minikv.ErrLocked, "the handle owns the key, not the node")
	put(t, r, "other", "free")

	_, err = l.Put(ctx, []byte("1"), minikv.TTL(time.Hour))
	require.NoError(t, err)
	put(t, r, "k", "2", minikv.Under(l), minikv.KeepTTL())
	require.NoError(t, r.Expire(ctx, "k", time.Minute, minikv.Under(l)))
	require.NoError(t, r.Persist(ctx, "k", minikv.UnderToken(l.Token())))
	b := r.NewBatch()
	b.Put("k", []byte("3"), minikv.Under(l))
	b.Put("free", []byte("3"))
	_, err = b.Commit(ctx)
	require.NoError(t, err)
	e, err := r.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "3", string(e.Value))
	require.Equal(t, l.Token(), e.Lock.Token)
	require.NoError(t, r.Delete(ctx, "k", minikv.Under(l)))

	require.NoError(t, l.Unlock(ctx))
	_, err = l.Put(ctx, []byte("4"))
	require.ErrorIs(t, err, minikv.ErrLeaseLost)
	put(t, r, "k", "plain again")
	e, err = r.Get(ctx, "k")
	require.NoError(t, err)
	require.Nil(t, e.Lock)
}

func TestTokensGrow(t *testing.T) {
	r := offline(t)
	last := minikv.Token{}
	for range 100 {
		l := tryLock(t, r, "k")
		require.Equal(t, 1, l.Token().Compare(last))
		require.Greater(t, l.Token().String(), last.String())
		last = l.Token()
		require.NoError(t, l.Unlock(ctx))
	}
}

func TestLockWaitsForUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		first := tryLock(t, r, "k", minikv.TTL(time.Hour))
		var order []int
		for i := range 3 {
			go func() {
				l, err := r.Lock(ctx, "k")
				assert.NoError(t, err)
				order = append(order, i)
				time.Sleep(time.Second)
				assert.NoError(t, l.Unlock(ctx))
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		require.Empty(t, order)
		began := time.Now()
		require.NoError(t, first.Unlock(ctx))
		l, err := r.Lock(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, []int{0, 1, 2}, order, "in the order of their coming")
		require.Equal(t, 3*time.Second, time.Since(began), "and at once")
		require.NoError(t, l.Unlock(ctx))
	})
}

func TestLockWaitsForLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		l := tryLock(t, r, "k", minikv.TTL(8*time.Second), minikv.NoRenew())
		began := time.Now()
		second, err := r.Lock(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, 8*time.Second, time.Since(began), "a lease that is not renewed ends with its TTL")
		require.Equal(t, 1, second.Token().Compare(l.Token()))
		var lost *minikv.LeaseLostError
		require.ErrorAs(t, l.Err(), &lost)
		require.Equal(t, minikv.LostExpired, lost.Reason)
		require.ErrorIs(t, context.Cause(l.Context()), minikv.ErrLeaseLost)
		require.EqualValues(t, 1, r.Metrics().LeasesLost)
	})
}

func TestLockGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		l := tryLock(t, r, "k", minikv.TTL(time.Hour))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := r.Lock(short, "k")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, minikv.ErrLocked)
		var locked *minikv.LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, l.Token(), locked.Token)

		// Who gives up does not hold up who comes behind.
		gone, leave := context.WithCancel(ctx)
		go func() { _, _ = r.Lock(gone, "k") }()
		synctest.Wait()
		got := make(chan *minikv.Lease)
		go func() { l, _ := r.Lock(ctx, "k"); got <- l }()
		synctest.Wait()
		leave()
		synctest.Wait()
		require.NoError(t, l.Unlock(ctx))
		require.NoError(t, (<-got).Check(0))
	})
}

func TestLockWaiterEndsWithTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		l := tryLock(t, r, "k")
		failed := make(chan error)
		go func() { _, err := r.Lock(ctx, "k"); failed <- err }()
		synctest.Wait()
		require.NoError(t, r.Node().Close())
		require.ErrorIs(t, <-failed, minikv.ErrClosed)
		<-l.Done()
		require.ErrorIs(t, l.Err(), minikv.ErrClosed)
		require.ErrorIs(t, l.Err(), minikv.ErrLeaseLost)
		require.NoError(t, l.Unlock(ctx), "nothing to release")
		require.ErrorIs(t, l.Check(0), minikv.ErrClosed)
		_, err := l.Put(ctx, nil)
		require.ErrorIs(t, err, minikv.ErrClosed)
	})
}

func TestWithLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		boom := errors.New("boom")
		err := r.WithLock(ctx, "k", func(ctx context.Context, l *minikv.Lease) error {
			_, err := r.TryLock(ctx, "k")
			require.ErrorIs(t, err, minikv.ErrLocked)
			return boom
		})
		require.ErrorIs(t, err, boom)
		require.PanicsWithValue(t, "oh", func() {
			_ = r.WithLock(ctx, "k", func(context.Context, *minikv.Lease) error { panic("oh") })
		})
		outer, cancel := context.WithCancel(ctx)
		err = r.WithLock(outer, "k", func(ctx context.Context, l *minikv.Lease) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, minikv.ErrLeaseLost)

		err = r.WithLock(ctx, "k", func(ctx context.Context, l *minikv.Lease) error {
			require.NoError(t, r.Unlock(ctx, "k", l.Token()))
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), minikv.ErrLeaseLost)
			return nil
		})
		var lost *minikv.LeaseLostError
		require.ErrorAs(t, err, &lost)
		require.Equal(t, minikv.LostReleased, lost.Reason)
		require.NoError(t, tryLock(t, r, "k").Unlock(ctx), "it is free after all of that")
		require.ErrorIs(t, r.WithLock(outer, "k", nil), context.Canceled)
	})
}

func TestExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		l := tryLock(t, r, "k", minikv.TTL(4*time.Second))
		require.NoError(t, l.Extend(ctx, time.Hour))
		require.Equal(t, 45*time.Minute, time.Until(l.Until()))
		time.Sleep(19 * time.Minute)
		require.Equal(t, 26*time.Minute, time.Until(l.Until()))
		require.NoError(t, l.Extend(ctx, 0))
		require.Equal(t, 45*time.Minute, time.Until(l.Until()))
		require.NoError(t, l.Extend(ctx, time.Second))
		time.Sleep(time.Minute)
		require.NoError(t, l.Check(0))

		once := tryLock(t, r, "once", minikv.TTL(time.Second), minikv.NoRenew())
		time.Sleep(900 * time.Millisecond)
		require.NoError(t, once.Extend(ctx, time.Minute))
		time.Sleep(59 * time.Second)
		require.NoError(t, once.Check(0))
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, once.Check(0), minikv.ErrLeaseLost)
		require.ErrorIs(t, once.Extend(ctx, 0), minikv.ErrLeaseLost)
	})
}

func TestIsolatedHolderStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		keeps := tryLock(t, r, "keeps", minikv.TTL(4*time.Second))
		stops := tryLock(t, r, "stops", minikv.TTL(4*time.Second), minikv.StopWhenIsolated())
		time.Sleep(2 * time.Second)
		require.NoError(t, stops.Check(0))
		time.Sleep(4 * time.Second)
		require.NoError(t, keeps.Check(0))
		var lost *minikv.LeaseLostError
		require.ErrorAs(t, stops.Err(), &lost)
		require.Equal(t, minikv.LostIsolated, lost.Reason)
	})
}

func TestPutLocked(t *testing.T) {
	r := offline(t)
	var l *minikv.Lease
	put(t, r, "k", "v", minikv.TTL(time.Hour), minikv.Locked(&l, minikv.TTL(time.Minute)))
	e, err := r.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, l.Token(), e.Lock.Token)
	require.Equal(t, time.Minute, e.Lock.TTL)
	require.WithinDuration(t, time.Now().Add(time.Hour), e.Expires, time.Minute)
	require.NoError(t, l.Unlock(ctx))
}

func TestUnlockByToken(t *testing.T) {
	r := offline(t)
	l := tryLock(t, r, "k")
	require.NoError(t, r.Unlock(ctx, "k", l.Token()))
	<-l.Done()
	require.ErrorIs(t, r.Unlock(ctx, "k", l.Token()), minikv.ErrLeaseLost)
}

// A lease's token grows at a renewal on a later day; a child process that was handed the first one goes on
// with it.
func TestAnOlderTokenOfALeaseIsAsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		l := tryLock(t, r, "k", minikv.TTL(time.Hour))
		first := l.Token()
		put(t, r, "k", "1", minikv.UnderToken(first))
		time.Sleep(25 * time.Hour)
		require.Equal(t, 1, l.Token().Compare(first), "it was renewed on the next day")
		put(t, r, "k", "2", minikv.UnderToken(first))
		put(t, r, "k", "3", minikv.Under(l))
		put(t, r, "k", "4", minikv.UnderToken(first))
		require.Equal(t, "4", value(t, r, "k"), "both write under the same fence")

		later := l.Token()
		later[0]++
		require.ErrorContains(t, r.Unlock(ctx, "k", later), "a later one than this node has heard of")
		require.NoError(t, r.Unlock(ctx, "k", first))
		<-l.Done()
		_, err := r.Put(ctx, "k", nil, minikv.UnderToken(first))
		require.ErrorIs(t, err, minikv.ErrLeaseLost, "it was released")
		put(t, r, "k", "plain")
	})
}

func TestLocks(t *testing.T) {
	r := offline(t)
	for _, key := range []string{"b/2", "a", "b/1", "c", "b/3"} {
		l := tryLock(t, r, key)
		if key == "b/3" {
			require.NoError(t, l.Unlock(ctx))
		}
	}
	var keys []string
	for info, err := range r.Locks(ctx, "b/") {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	require.Equal(t, []string{"b/1", "b/2"}, keys)
	for range r.Locks(ctx, "") {
		break
	}
}

func TestWatchLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := offline(t)
		_ = tryLock(t, r, "a/old", minikv.TTL(2*time.Minute))
		_ = tryLock(t, r, "b", minikv.TTL(2*time.Minute))
		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		type seen struct {
			at  time.Duration
			ev  string
			err error
		}
		var got []seen
		began := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ev, err := range r.WatchLocks(stop, "a/") {
				got = append(got, seen{time.Since(began), fmt.Sprint(ev.Kind, " ", ev.Info.Key), err})
			}
		}()
		synctest.Wait()
		time.Sleep(time.Second)
		l := tryLock(t, r, "a/new", minikv.TTL(3*time.Second))
		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, l.Unlock(ctx))
		time.Sleep(time.Second)
		cancel()
		<-done
		require.Len(t, got, 5)
		require.ErrorIs(t, got[4].err, context.Canceled)
		require.Equal(t, []seen{
			{0, "held a/old", nil},
			{time.Second, "held a/new", nil},
			{2 * time.Second, "renewed a/new", nil},
			{2500 * time.Millisecond, "released a/new", nil},
		}, got[:4])
	})
}
