package replica_test

import (
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// topEpoch is the highest epoch that nodes take on the day of the tests.
func topEpoch() uint64 { return (uint64(start.UnixMilli())/(24*3600*1000) + 2) << 32 }

// A liar uses the highest epoch there is, and lets the entry expire everywhere:
// what honest nodes make of it must be acceptable to the others.
func TestTheHighestEpochLeavesRoomForHonestWrites(t *testing.T) {
	for _, deleted := range []bool{true, false} {
		a, b := newNode(t, "a", 1), newNode(t, "b", 2)
		e := forge(lwwmap.Data, "x", "v", liarActor, 1)
		e.Fence, e.Base, e.Expires = lwwmap.MakeToken(topEpoch(), 0, 0), e.Stamp, e.Stamp+1
		if e.Deleted = deleted; deleted {
			e.Expires, e.Value = 0, nil
		}
		for _, n := range []*node{a, b} {
			require.NoError(t, n.Receive(n.now(), "liar", "liar", delta(e)).Refused)
			wait(time.Second, n)
			n.Tick(n.now())
			n.Map().Collect(n.latest(), 10)
			require.True(t, n.Map().Get(lwwmap.Data, "x").IsZero())
		}
		a.put("x", "1")
		a.put("k", "1")
		gossip(t, a, b)
		b.put("k", "2")
		gossip(t, b, a)
		sync(t, a, b)
		require.Equal(t, "1", b.get("x"))
		require.Equal(t, "2", a.get("k"))
		for _, key := range []string{"x", "k", "new"} {
			token, err := a.Claim(a.now(), key, 7, ttl, nil)
			if err == nil {
				require.NoError(t, a.putFenced(key, "3", token))
			} else {
				require.ErrorIs(t, err, replica.ErrBounds)
			}
		}
		gossip(t, a, b)
		sync(t, a, b)
		require.Equal(t, a.get("k"), b.get("k"))
	}
}

// A key whose lease a liar has put at the highest epoch cannot be locked before
// epochs have moved on; it can be written, and no record is made that others
// refuse.
func TestAKeyAtTheHighestEpochCanBeLockedAgainLater(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	value, err := cbor.Marshal([]any{replica.Version, cbor.ByteString("liar"), 1000, []byte{}})
	require.NoError(t, err)
	e := forge(lwwmap.Lease, "k", string(value), liarActor, 1)
	e.Fence = lwwmap.MakeToken(topEpoch(), e.Stamp, 1)
	for _, n := range []*node{a, b} {
		require.NoError(t, n.Receive(n.now(), "liar", "liar", delta(e)).Refused)
	}
	wait(time.Minute, a, b)
	_, err = a.Claim(a.now(), "k", 7, ttl, nil)
	require.ErrorIs(t, err, replica.ErrBounds)
	a.put("k", "v")
	gossip(t, a, b)
	require.Equal(t, "v", b.get("k"))
	wait(24*time.Hour, a, b)
	token := a.claim("k", 7)
	require.NoError(t, a.putFenced("k", "w", token))
	gossip(t, a, b)
	require.Equal(t, "w", b.get("k"))
	require.Equal(t, "a", b.lease("k").Owner)
}
