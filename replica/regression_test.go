package replica_test

import (
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// Each test here is a bug that a campaign found, reduced; docs/track-record.md
// lists them.

func TestAGapWithoutPeersDoesNotSpin(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	_ = a.Outbox() // lost
	a.put("l", "w")
	gossip(t, a, b)
	require.Len(t, b.Map().Context().Of(a.Actor()), 1)
	b.elapsed += time.Minute
	dial, more := b.Tick(b.now())
	require.Empty(t, dial)
	require.False(t, more)
	require.Equal(t, time.Second, b.NextTick(b.now(), time.Second))
}

func TestADeleteCarriesNoValue(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	_, _, err := a.Write(a.now(), replica.Write{Key: "k", Value: []byte("v"), Delete: true})
	require.NoError(t, err)
	sync(t, a, b)
	require.True(t, b.Map().Context().Has(crdt.Dot{Actor: a.Actor(), Seq: 2}))
}

func (n *node) lock(key string) lwwmap.Token {
	n.t.Helper()
	token, err := n.Claim(n.now(), key, uint64(n.Actor())+1, time.Hour, nil)
	require.NoError(n.t, err)
	return token
}

func (n *node) putUnder(token lwwmap.Token, key, value string, ttl time.Duration) {
	n.t.Helper()
	w := replica.Write{Key: key, Value: []byte(value), Fence: token}
	if ttl > 0 {
		w.Expires = n.Now(n.now()).Add(ttl)
	}
	_, _, err := n.Write(n.now(), w)
	require.NoError(n.t, err)
}

func TestAHolderCanWriteWhateverOtherKeysHadForFences(t *testing.T) {
	a := newNode(t, "a", 1)
	a.putUnder(a.lock("other"), "other", "v", time.Second)
	a.elapsed += time.Minute
	a.Tick(a.now()) // the entry under the fence expires and raises the horizon
	a.put("k", "v")
	a.putUnder(a.lock("k"), "k", "w", 0)
	require.Equal(t, "w", a.get("k"))
}

func TestAWriteBeatsAFencedOneThatItsWriterSawDeleted(t *testing.T) {
	a, b, c, d, e := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "c", 3), newNode(t, "d", 4), newNode(t, "e", 5)
	token := a.lock("k")
	a.putUnder(token, "k", "fenced", 0)
	require.NoError(t, a.Release(a.now(), "k", token))
	sync(t, a, b)
	sync(t, a, c) // c keeps the fenced value
	b.del("k")
	b.elapsed += time.Second
	require.Equal(t, 1, b.Map().Collect(b.latest(), 10))
	d.put("k", "late") // d has heard of nothing
	gossip(t, d, b)
	require.Equal(t, "late", b.get("k"))
	b.put("k", "last")
	gossip(t, b, c, e)
	sync(t, c, e)
	for range 3 {
		sync(t, b, c)
		sync(t, c, d)
		sync(t, c, e)
	}
	for _, n := range []*node{b, c, d, e} {
		require.Equal(t, "last", n.get("k"), n.name)
	}
}

func TestADeltaCoversNoWriteAboveWhatItCarries(t *testing.T) {
	a, b, c, d := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "c", 3), newNode(t, "d", 4)
	c.put("k", "late")
	a.elapsed, b.elapsed = time.Second, 2*time.Second
	a.put("k", "mine") // not sent yet when b's overtakes it
	mine := a.Map().Get(lwwmap.Data, "k").Dot()
	_, _, err := b.Write(b.now(), replica.Write{Key: "k", Value: []byte("short"), Expires: b.Now(b.now()).Add(time.Millisecond)})
	require.NoError(t, err)
	gossip(t, b, a)
	a.elapsed = time.Minute
	a.Tick(a.now()) // b's expires
	gossip(t, c, a) // lower than mine
	require.Equal(t, "late", a.get("k"))
	gossip(t, a, d)
	require.False(t, d.Map().Context().Has(mine))
}

func TestAWriteIsStampedAboveAllThatAMergedContextNames(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	del := func(token lwwmap.Token, key string) {
		_, _, err := a.Write(a.now(), replica.Write{Key: key, Fence: token, Delete: true})
		require.NoError(t, err)
	}
	higher := a.lock("l")
	token, err := a.Claim(a.now(), "k", 7, 100*time.Millisecond, nil)
	require.NoError(t, err)
	del(higher, "l")
	a.elapsed = 10 * time.Second
	a.putUnder(token, "k", "seen", 0)
	seen := a.Map().Get(lwwmap.Data, "k").Order()
	del(token, "k")
	a.Map().Collect(a.latest(), 10) // the horizon is the tombstone of l, ten seconds earlier
	sync(t, a, b)
	b.elapsed = time.Second // the lease on k has lapsed; b's wall clock is behind
	b.put("k", "w")
	require.Positive(t, b.Map().Get(lwwmap.Data, "k").Order().Compare(seen))
}

func TestAWriteBeatsAFencedOneWhoseLeaseWasNeverHeardOf(t *testing.T) {
	a, b, c := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "c", 3)
	token := a.lock("k")
	lease := a.Outbox() // lost on the way to b
	require.NotNil(t, lease)
	a.putUnder(token, "k", "fenced", time.Second)
	gossip(t, a, b)
	require.Equal(t, "fenced", b.get("k"))
	require.True(t, b.Map().Get(lwwmap.Lease, "k").IsZero())
	seen := b.Map().Get(lwwmap.Data, "k").Order()
	b.elapsed = time.Minute
	b.Tick(b.now()) // it expires, and with it all that b knows of the lease
	b.put("k", "plain")
	require.Positive(t, b.Map().Get(lwwmap.Data, "k").Order().Compare(seen))
	// The holder is not locked out by it.
	a.elapsed = time.Minute
	sync(t, a, b)
	require.Equal(t, "plain", a.get("k"))
	a.putUnder(token, "k", "again", 0)
	sync(t, a, c)
	sync(t, b, c)
	require.Equal(t, "again", b.get("k"))
}

// A machine copied before its first write draws the same actor as its copy.
func TestANewActorIsNoneThatWasHeardOf(t *testing.T) {
	x, y, b := newNode(t, "x", 1), newNode(t, "y", 1), newNode(t, "b", 2)
	x.put("k", "v")
	sync(t, x, b)
	sync(t, b, y)
	y.put("l", "w")
	require.NotEqual(t, x.Actor(), y.Actor())
	require.EqualValues(t, 2, y.Map().Context().Max(y.Actor()))
}
