package minikv_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// heldBy waits until a registry knows who holds a key.
func heldBy(t testing.TB, r *minikv.Registry, key string, owner *minikv.Registry) {
	t.Helper()
	require.Eventually(t, func() bool {
		info, ok, err := r.LockInfo(ctx, key)
		require.NoError(t, err)
		return ok && info.Owner == owner.Node().ID()
	}, patience, time.Millisecond)
}

func TestLeaseHoldsOnEveryNode(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	l := tryLock(t, a, "k")
	heldBy(t, b, "k", a)
	_, err := b.Put(ctx, "k", nil)
	require.ErrorIs(t, err, minikv.ErrLocked)
	require.ErrorIs(t, b.Delete(ctx, "k"), minikv.ErrLocked)
	var locked *minikv.LockedError
	_, err = b.TryLock(ctx, "k")
	require.ErrorAs(t, err, &locked)
	require.Equal(t, a.Node().ID(), locked.Owner)
	require.Equal(t, l.Token(), locked.Token)
	put(t, b, "k", "by token", minikv.UnderToken(l.Token()))

	waited := make(chan *minikv.Lease, 1)
	go func() {
		l, err := b.Lock(within(t), "k")
		assert.NoError(t, err)
		waited <- l
	}()
	require.NoError(t, l.Unlock(ctx))
	second := <-waited
	require.Equal(t, 1, second.Token().Compare(l.Token()))
	_, err = second.Put(ctx, []byte("b's"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return value(t, a, "k") == "b's" }, patience, time.Millisecond)
	require.NoError(t, second.Unlock(ctx))
	requireEqual(t, regs...)
}

func TestUnlockByTokenOnAnotherNode(t *testing.T) {
	regs := mesh(t, 2)
	l := tryLock(t, regs[0], "k")
	heldBy(t, regs[1], "k", regs[0])
	require.NoError(t, regs[1].Unlock(ctx, "k", l.Token()))
	<-l.Done()
	var lost *minikv.LeaseLostError
	require.ErrorAs(t, l.Err(), &lost)
	require.Equal(t, minikv.LostReleased, lost.Reason)
}

func TestDeadOwnersLeaseLapses(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	l := tryLock(t, a, "k", minikv.TTL(200*time.Millisecond))
	heldBy(t, b, "k", a)
	require.NoError(t, a.Node().Close())
	second, err := b.Lock(within(t), "k")
	require.NoError(t, err)
	require.Equal(t, 1, second.Token().Compare(l.Token()))
}

// Across a partition each side may have a holder; after it heals exactly one remains.
func TestOneHolderAfterAPartition(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	disconnect(t, a.Node(), b.Node())
	events := make(chan minikv.LockEvent, 100)
	for _, r := range regs {
		stop, cancel := context.WithCancel(ctx)
		t.Cleanup(cancel)
		go func() {
			for ev, err := range r.WatchLocks(stop, "") {
				if err == nil && ev.Kind == minikv.LockOverlap {
					events <- ev
				}
			}
		}()
	}
	first := tryLock(t, a, "k")
	put(t, a, "k", "the first holder's", minikv.Under(first))
	second := tryLock(t, b, "k")
	put(t, b, "k", "the second holder's", minikv.Under(second))
	put(t, b, "k", "once more, later", minikv.Under(second))

	connect(t, a.Node(), b.Node())
	requireEqual(t, regs...)
	winner, loser, on := first, second, a // the earlier claim wins, or the lower of two that are equal
	if second.Token().Compare(first.Token()) > 0 {
		winner, loser, on = second, first, b
	}
	<-loser.Done()
	var lost *minikv.LeaseLostError
	require.ErrorAs(t, context.Cause(loser.Context()), &lost)
	require.Equal(t, minikv.LostBeaten, lost.Reason)
	require.Equal(t, winner.Token(), lost.Winner.Token)
	require.Equal(t, on.Node().ID(), lost.Winner.Owner)
	require.NoError(t, winner.Check(time.Second))
	_, err := loser.Put(ctx, nil)
	require.ErrorIs(t, err, minikv.ErrLeaseLost)
	for range regs {
		ev := <-events
		require.Equal(t, winner.Token(), ev.Info.Token)
		require.Equal(t, loser.Token(), ev.Loser.Token)
		require.Positive(t, ev.Overlap)
	}
	want := map[*minikv.Lease]string{first: "the first holder's", second: "once more, later"}[winner]
	for _, r := range regs {
		require.Equal(t, want, value(t, r, "k"), "what the winner wrote wins, whatever came later")
		require.EqualValues(t, 1, r.Metrics().OverlapsSeen)
	}
	require.NoError(t, winner.Unlock(ctx))
}

// Only one of many that try at once on connected nodes keeps the lease, and all agree on which.
func TestLockRace(t *testing.T) {
	regs := mesh(t, 3)
	for round := range 5 {
		key := string(rune('a' + round))
		got := make(chan *minikv.Lease, len(regs))
		for _, r := range regs {
			go func() {
				l, err := r.TryLock(ctx, key)
				if err != nil {
					assert.ErrorIs(t, err, minikv.ErrLocked)
				}
				got <- l
			}()
		}
		var leases []*minikv.Lease
		for range regs {
			if l := <-got; l != nil {
				leases = append(leases, l)
			}
		}
		require.NotEmpty(t, leases)
		require.Eventually(t, func() bool { return len(stillHeld(leases)) == 1 }, patience, time.Millisecond)
		requireEqual(t, regs...)
		held := stillHeld(leases)
		require.Len(t, held, 1)
		for _, r := range regs {
			info, ok, err := r.LockInfo(ctx, key)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, held[0].Token(), info.Token)
		}
	}
}

func stillHeld(leases []*minikv.Lease) (held []*minikv.Lease) {
	for _, l := range leases {
		if l.Err() == nil {
			held = append(held, l)
		}
	}
	return held
}

// A holder that is beaten by a claim that is over by then claims again and stays.
func TestBeatenByAReleasedClaim(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	disconnect(t, a.Node(), b.Node())
	brief := tryLock(t, b, "k")
	require.NoError(t, brief.Unlock(ctx))
	brief = tryLock(t, b, "k") // a higher epoch than a will have
	require.NoError(t, brief.Unlock(ctx))
	l := tryLock(t, a, "k", minikv.Meta([]byte("a's own")))
	require.Equal(t, 1, brief.Token().Compare(l.Token()))
	connect(t, a.Node(), b.Node())
	require.Eventually(t, func() bool { return l.Token().Compare(brief.Token()) > 0 }, patience, time.Millisecond)
	requireEqual(t, regs...)
	require.NoError(t, l.Check(0))
	heldBy(t, b, "k", a)
	info, _, err := b.LockInfo(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "a's own", string(info.Meta))
}

func TestIsolatedHolderWithCompany(t *testing.T) {
	regs := mesh(t, 2)
	l := tryLock(t, regs[0], "k", minikv.TTL(600*time.Millisecond), minikv.StopWhenIsolated())
	require.Eventually(t, func() bool {
		info, _, err := regs[0].LockInfo(ctx, "k")
		require.NoError(t, err)
		return info.Renewals >= 5
	}, patience, time.Millisecond)
	require.NoError(t, l.Err())
	disconnect(t, regs[0].Node(), regs[1].Node())
	<-l.Done()
	var lost *minikv.LeaseLostError
	require.ErrorAs(t, l.Err(), &lost)
	require.Equal(t, minikv.LostIsolated, lost.Reason)
}

func TestWatchLocksTellsWhatLapses(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	tryLock(t, a, "k", minikv.TTL(300*time.Millisecond))
	tryLock(t, b, "other", minikv.TTL(time.Hour))
	heldBy(t, b, "k", a)
	var kinds []minikv.LockEventKind
	stop, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ev, err := range b.WatchLocks(stop, "k") {
		if len(kinds) == 0 {
			require.NoError(t, err)
		}
		if ev.Kind == minikv.LockRenewed {
			continue
		}
		kinds = append(kinds, ev.Kind)
		require.Equal(t, "k", ev.Info.Key)
		require.Equal(t, a.Node().ID(), ev.Info.Owner)
		if ev.Kind == minikv.LockHeld {
			require.NoError(t, a.Node().Close()) // its owner dies
		} else {
			break
		}
	}
	require.Equal(t, []minikv.LockEventKind{minikv.LockHeld, minikv.LockExpired}, kinds)
}
