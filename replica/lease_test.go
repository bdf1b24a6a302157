package replica_test

import (
	"math"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

const ttl = 10 * time.Second

// wait moves the clocks of nodes on.
func wait(d time.Duration, nodes ...*node) {
	for _, n := range nodes {
		n.elapsed += d
	}
}

func (n *node) claim(key string, nonce uint64) lwwmap.Token {
	n.t.Helper()
	token, err := n.Claim(n.now(), key, nonce, ttl, []byte("meta"))
	require.NoError(n.t, err)
	return token
}

func (n *node) renew(key string, token lwwmap.Token) lwwmap.Token {
	n.t.Helper()
	renewed, err := n.Renew(n.now(), key, token, ttl, []byte("meta"))
	require.NoError(n.t, err)
	return renewed
}

func (n *node) lease(key string) replica.LeaseInfo {
	n.t.Helper()
	rec := n.Map().Get(lwwmap.Lease, key)
	require.False(n.t, rec.IsZero())
	return replica.Lease(rec)
}

func (n *node) putFenced(key, value string, token lwwmap.Token) error {
	_, _, err := n.Write(n.now(), replica.Write{Key: key, Value: []byte(value), Fence: token})
	return err
}

func TestALeaseKeepsOthersOut(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	require.Equal(t, uint64(7), token.Owner())
	gossip(t, a, b)
	for _, n := range []*node{a, b} { // the handle owns it, not the node
		var locked *replica.LockedError
		_, err := n.Claim(n.now(), "k", 8, ttl, nil)
		require.ErrorAs(t, err, &locked)
		require.ErrorIs(t, err, replica.ErrLocked)
		require.Equal(t, "a", locked.Lease.Owner)
		require.Equal(t, []byte("meta"), locked.Lease.Meta)
		require.Equal(t, ttl+replica.LeaseMargin(ttl), locked.Remaining)
		require.Contains(t, err.Error(), "12.5s")
		_, _, err = n.Write(n.now(), replica.Write{Key: "k", Value: []byte("v")})
		require.ErrorIs(t, err, replica.ErrLocked)
		_, _, err = n.Write(n.now(), replica.Write{Key: "k", Delete: true})
		require.ErrorIs(t, err, replica.ErrLocked)
		require.Empty(t, n.get("k"))
	}
	require.NoError(t, a.putFenced("k", "v", token))
	require.NoError(t, b.putFenced("k", "w", token), "whoever has the token holds the lease")
	a.put("other", "v")
}

func TestARenewedLeaseLasts(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	for range 5 {
		gossip(t, a, b)
		wait(ttl, a, b)
		require.Equal(t, token, a.renew("k", token))
		_, _, live := b.LeaseOn(b.now(), "k")
		require.True(t, live)
	}
	require.EqualValues(t, 5, a.lease("k").Renewals)
	require.Equal(t, []byte("meta"), a.lease("k").Meta)
	gossip(t, a, b)
	wait(ttl+replica.LeaseMargin(ttl)-1, b)
	_, left, live := b.LeaseOn(b.now(), "k")
	require.True(t, live)
	require.EqualValues(t, 1, left)
	wait(1, b)
	_, _, live = b.LeaseOn(b.now(), "k")
	require.False(t, live)
	_, _, live = b.LeaseOn(b.now(), "absent")
	require.False(t, live)
}

func TestAReleasedLeaseIsFreeAtOnce(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	gossip(t, a, b)
	require.NoError(t, a.Release(a.now(), "k", token))
	require.NoError(t, a.Release(a.now(), "k", token), "twice is once")
	require.True(t, a.lease("k").Released)
	_, err := a.Renew(a.now(), "k", token, ttl, nil)
	require.ErrorIs(t, err, replica.ErrLeaseLost)
	require.ErrorIs(t, a.putFenced("k", "v", token), replica.ErrLeaseLost)
	gossip(t, a, b)
	next := b.claim("k", 8)
	require.Equal(t, token.Epoch()+1, next.Epoch())
	require.Positive(t, next.Compare(token))
	gossip(t, b, a)
	require.NoError(t, a.Release(a.now(), "k", token), "no longer its own")
	require.False(t, a.lease("k").Released)
	_, err = a.Renew(a.now(), "k", token, ttl, nil)
	require.ErrorIs(t, err, replica.ErrLeaseLost)
	require.ErrorIs(t, a.putFenced("k", "v", token), replica.ErrLeaseLost)
	require.NoError(t, a.Release(a.now(), "absent", token))
	_, err = a.Renew(a.now(), "absent", token, ttl, nil)
	require.ErrorIs(t, err, replica.ErrLeaseLost)
}

// A late renewal does not bring back what was released.
func TestAReleaseIsFinal(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	sync(t, a, b)
	require.NoError(t, a.Release(a.now(), "k", token))
	for range 3 {
		wait(time.Second, b)
		b.renew("k", token) // by the same handle, moved to b
	}
	sync(t, a, b)
	require.True(t, a.lease("k").Released)
	require.True(t, b.lease("k").Released)
}

func TestALapsedLeaseCanBeTaken(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	gossip(t, a, b)
	wait(ttl+replica.LeaseMargin(ttl), a, b)
	b.put("k", "free")
	next := b.claim("k", 8)
	require.Equal(t, token.Epoch()+1, next.Epoch())
	require.NoError(t, a.putFenced("k", "stale", token), "a has not heard of it")
	sync(t, a, b)
	require.NoError(t, b.putFenced("k", "new", next))
	require.ErrorIs(t, a.putFenced("k", "stale", token), replica.ErrLeaseLost)
	_, err := a.Renew(a.now(), "k", token, ttl, nil)
	require.ErrorIs(t, err, replica.ErrLeaseLost)
	sync(t, a, b)
	require.Equal(t, "new", a.get("k"))
}

// Both sides of a partition claim in the same epoch; the earlier claim wins on
// all, whatever the order of arrival, and both nodes hear of the overlap.
func TestTheEarlierOfTwoClaimsWins(t *testing.T) {
	a, b, c := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "c", 3)
	first := a.claim("k", 7)
	wait(time.Second, a, b, c)
	second := b.claim("k", 8)
	require.Equal(t, first.Epoch(), second.Epoch())
	require.NoError(t, b.putFenced("k", "loser's", second))
	gossip(t, b, c, a)
	gossip(t, a, c, b)
	sync(t, b, a)
	for _, n := range []*node{a, b, c} {
		require.Equal(t, first, n.lease("k").Token)
	}
	_, err := b.Renew(b.now(), "k", second, ttl, nil)
	require.ErrorIs(t, err, replica.ErrLeaseLost)
	require.ErrorIs(t, b.putFenced("k", "loser's", second), replica.ErrLeaseLost)
	require.NoError(t, a.putFenced("k", "winner's", first))
	sync(t, a, b)
	require.Equal(t, "winner's", b.get("k"))

	overlap := func(n *node) (now, rival replica.LeaseInfo) {
		for _, c := range n.changes {
			switch {
			case !c.Rival.IsZero():
				return replica.Lease(c.Now), replica.Lease(c.Rival)
			case !c.Now.IsZero() && !c.Was.IsZero() && c.Now.Kind() == lwwmap.Lease && !c.Local:
				return replica.Lease(c.Now), replica.Lease(c.Was)
			}
		}
		return now, rival
	}
	for _, n := range []*node{a, b, c} {
		now, rival := overlap(n)
		require.Equal(t, first, now.Token, n.name)
		require.Equal(t, second, rival.Token, n.name)
	}
}

func TestABeatenHolderClaimsAgainAboveARelease(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.elapsed = time.Second
	mine := b.claim("k", 8)
	theirs := a.claim("k", 7) // earlier, and unheard of
	require.NoError(t, a.Release(a.now(), "k", theirs))
	sync(t, a, b)
	require.Equal(t, theirs, b.lease("k").Token)
	renewed, err := b.Renew(b.now(), "k", mine, ttl, []byte("b's own"))
	require.NoError(t, err)
	require.Equal(t, theirs.Epoch()+1, renewed.Epoch())
	require.Equal(t, mine.Owner(), renewed.Owner())
	require.Equal(t, "b", b.lease("k").Owner)
	require.Equal(t, "b's own", string(b.lease("k").Meta), "not what the other holder said")
	require.NoError(t, b.putFenced("k", "v", renewed))
}

// A claim of the new day must not beat a holder that goes on renewing over
// midnight on the other side of a partition.
func TestRenewalsMoveOnToTheEpochOfTheDay(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	sync(t, a, b)
	require.NoError(t, a.putFenced("k", "before", token))
	wait(12*time.Hour+time.Minute, a, b) // noon to past midnight
	renewed := a.renew("k", token)
	require.Equal(t, token.Epoch()>>32+1, renewed.Epoch()>>32)
	require.Equal(t, token.Claim(), renewed.Claim())
	theirs := b.claim("k", 8) // b has not heard of a since noon
	require.Equal(t, renewed.Epoch(), theirs.Epoch())
	sync(t, a, b)
	require.Equal(t, renewed, b.lease("k").Token)
	require.NoError(t, a.putFenced("k", "with the old token", token))
	fence, _ := a.Map().Get(lwwmap.Data, "k").Fence()
	require.Equal(t, renewed, fence, "the write carries the present one")
	require.NoError(t, a.putFenced("k", "after", renewed))
	require.Equal(t, renewed, a.renew("k", token))
	sync(t, a, b)
	require.Equal(t, "after", b.get("k"))
}

func TestOldLeaseRecordsAreCollected(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	token := a.claim("k", 7)
	require.NoError(t, a.putFenced("k", "v", token))
	sync(t, a, b)
	wait(2*24*time.Hour, a, b)
	a.Tick(a.now())
	require.Equal(t, 1, a.Map().Len(lwwmap.Lease), "not yet")
	wait(24*time.Hour, a, b)
	a.Tick(a.now())
	require.Zero(t, a.Map().Len(lwwmap.Lease))
	require.EqualValues(t, 1, a.Stats().Collected)
	sync(t, b, a)
	require.Zero(t, b.Map().Len(lwwmap.Lease), "collected there by the word of a")

	a.put("k", "w")
	next := a.claim("k", 9)
	require.Positive(t, next.Compare(token))
	require.NoError(t, a.putFenced("k", "x", next))
	require.ErrorIs(t, a.putFenced("k", "stale", token), replica.ErrLeaseLost)
	sync(t, a, b)
	require.Equal(t, "x", b.get("k"))
}

func TestALiveLeaseIsNotCollected(t *testing.T) {
	a := newNode(t, "a", 1)
	token := a.claim("k", 7)
	for range 100 {
		wait(time.Hour, a)
		a.Renew(a.now(), "k", token, ttl, nil)
		a.Tick(a.now())
	}
	require.Equal(t, 1, a.Map().Len(lwwmap.Lease))
}

func TestManyOldLeasesAreCollectedWithoutWaitingHours(t *testing.T) {
	a := newNode(t, "a", 1)
	for i := range 2000 {
		a.claim(string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), 7)
	}
	wait(4*24*time.Hour, a)
	for more := true; more; {
		_, more = a.Tick(a.now())
	}
	require.Zero(t, a.Map().Len(lwwmap.Lease))
}

func TestALeaseOfAnEpochFarAheadIsRefused(t *testing.T) {
	a := newNode(t, "a", 1)
	value, err := cbor.Marshal([]any{replica.Version, cbor.ByteString("liar"), 1000, []byte{}})
	require.NoError(t, err)
	day := uint64(start.UnixMilli()) / (24 * 3600 * 1000)
	at := func(epoch uint64) error {
		e := forge(lwwmap.Lease, "k", string(value), liarActor, 1)
		e.Fence = lwwmap.MakeToken(epoch, e.Stamp, 1)
		return a.Receive(a.now(), "liar", "liar", delta(e)).Refused
	}
	require.ErrorIs(t, at((day+2)<<32+1), replica.ErrBounds)
	require.ErrorIs(t, at(math.MaxUint64), replica.ErrBounds)
	require.NoError(t, at((day+2)<<32))
}

func TestMalformedLeasesAreRefused(t *testing.T) {
	good := []any{replica.Version, cbor.ByteString("liar"), 1000, []byte("meta")}
	entry := func(t *testing.T, fields any) lwwmap.Entry {
		value, err := cbor.Marshal(fields)
		require.NoError(t, err)
		e := forge(lwwmap.Lease, "k", string(value), liarActor, 1)
		e.Fence = lwwmap.MakeToken(1, e.Stamp, 1)
		return e
	}
	changed := func(change func(*lwwmap.Entry)) lwwmap.Entry {
		e := entry(t, good)
		change(&e)
		return e
	}
	for name, e := range map[string]lwwmap.Entry{
		"version":     entry(t, with(good, 0, 2)),
		"no owner":    entry(t, with(good, 1, cbor.ByteString(""))),
		"short ttl":   entry(t, with(good, 2, 9)),
		"long ttl":    entry(t, with(good, 2, 24*3600*1000+1)),
		"far ttl":     entry(t, with(good, 2, uint64(math.MaxUint64))),
		"long meta":   entry(t, with(good, 3, make([]byte, 1025))),
		"garbage":     entry(t, "lease"),
		"fields":      entry(t, good[:3]),
		"no token":    changed(func(e *lwwmap.Entry) { e.Fence = lwwmap.Token{} }),
		"deleted":     changed(func(e *lwwmap.Entry) { e.Deleted = true }),
		"expires":     changed(func(e *lwwmap.Entry) { e.Expires = 1 }),
		"empty":       changed(func(e *lwwmap.Entry) { e.Value = nil }),
		"much beyond": changed(func(e *lwwmap.Entry) { e.Value = make([]byte, 5000) }),
	} {
		t.Run(name, func(t *testing.T) {
			a := newNode(t, "a", 1)
			require.Error(t, a.Receive(a.now(), "liar", "liar", delta(e)).Refused)
			refused := a.Stats().Refused
			require.EqualValues(t, 1, refused.Malformed+refused.Bounds)
			require.Zero(t, a.Map().Len(lwwmap.Lease))
		})
	}
	a := newNode(t, "a", 1)
	require.NoError(t, a.Receive(a.now(), "liar", "liar", delta(entry(t, good))).Refused)
}

func TestAClaimOutOfBoundsIsAnError(t *testing.T) {
	a := newNode(t, "a", 1)
	for name, claim := range map[string]func() error{
		"no key":   func() error { _, err := a.Claim(a.now(), "", 1, ttl, nil); return err },
		"long key": func() error { _, err := a.Claim(a.now(), string(make([]byte, 1025)), 1, ttl, nil); return err },
		"short ttl": func() error {
			_, err := a.Claim(a.now(), "k", 1, replica.MinLeaseTTL-1, nil)
			return err
		},
		"long ttl":  func() error { _, err := a.Claim(a.now(), "k", 1, replica.MaxLeaseTTL+1, nil); return err },
		"long meta": func() error { _, err := a.Claim(a.now(), "k", 1, ttl, make([]byte, 1025)); return err },
		"renewal": func() error {
			token := a.claim("renewed", 1)
			_, err := a.Renew(a.now(), "renewed", token, replica.MaxLeaseTTL+1, nil)
			return err
		},
	} {
		require.Error(t, claim(), name)
	}
	require.True(t, a.Map().Get(lwwmap.Lease, "k").IsZero())
	require.Equal(t, ttl, a.lease("renewed").TTL)
}

// A count that a liar set to the end must not turn the next renewal into a
// release.
func TestRenewalsThatAreUsedUpLoseTheLease(t *testing.T) {
	a := newNode(t, "a", 1)
	token := a.claim("k", 7)
	e := a.Map().Get(lwwmap.Lease, "k").Entry()
	e.Dot, e.Base = crdt.Dot{Actor: liarActor, Seq: 1}, math.MaxInt64
	require.NoError(t, a.Receive(a.now(), "liar", "liar", delta(e)).Refused)
	_, err := a.Renew(a.now(), "k", token, ttl, nil)
	require.ErrorIs(t, err, replica.ErrLeaseLost)
	require.False(t, a.lease("k").Released)
}

func TestAnOldNewsOfALeaseCountsFromItsArrival(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.claim("k", 7)
	wait(time.Hour, a, b)
	sync(t, a, b)
	_, left, live := b.LeaseOn(b.now(), "k")
	require.True(t, live, "b cannot know how old it is")
	require.Equal(t, ttl+replica.LeaseMargin(ttl), left)
	c := b.continued(b.Map().Clone())
	_, _, live = c.LeaseOn(c.now(), "k")
	require.True(t, live, "nor can a node that was just opened")
}

func TestALeaseWriteNeedsTheClock(t *testing.T) {
	a := newNode(t, "a", 1)
	token := a.claim("k", 7)
	require.NoError(t, a.clock.Observe(hlc.Max, time.UnixMilli(math.MaxInt64)))
	_, err := a.Claim(a.now(), "l", 7, ttl, nil)
	require.Error(t, err)
	_, err = a.Renew(a.now(), "k", token, ttl, nil)
	require.Error(t, err)
	require.Error(t, a.Release(a.now(), "k", token))
	_, _, err = a.Write(a.now(), replica.Write{Key: "l"})
	require.Error(t, err)
	b := newNode(t, "b", 2)
	require.NoError(t, b.clock.Observe(hlc.Max, time.UnixMilli(math.MaxInt64)))
	_, err = b.Claim(b.now(), "l", 7, ttl, nil)
	require.Error(t, err)
}
