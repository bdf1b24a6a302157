package replica_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/replica"
)

// starts has the replica of a peer opened anew, which writes a key of its own: the delta that tells.
func starts(t testing.TB, peer string, seed uint64) (*node, *replica.Delta) {
	n := newNode(t, peer, seed)
	n.put(fmt.Sprint(peer, seed), "v")
	d := n.Outbox()
	require.NotNil(t, d)
	return n, d
}

// Each actor stays in every context for good, so gossip does not bring as many of one peer as it invents.
func TestGossipBringsFewNewActorsOfOnePeer(t *testing.T) {
	const most = 64 // in a row
	a := newNode(t, "a", 1)
	for i := range uint64(most) {
		n, d := starts(t, "b", 100+i)
		require.NoError(t, a.Receive(a.now(), "b", "b", d).Refused)
		n.put("more", "v")
		require.NoError(t, a.Receive(a.now(), "b", "b", n.Outbox()).Refused, "of an actor that is known")
	}
	before := a.Map().Context().Len()
	late, d := starts(t, "b", 1000)
	require.ErrorIs(t, a.Receive(a.now(), "b", "b", d).Refused, replica.ErrBounds)
	require.Equal(t, before, a.Map().Context().Len())
	require.EqualValues(t, 1, a.Stats().Refused.Bounds)

	_, other := starts(t, "c", 1)
	require.NoError(t, a.Receive(a.now(), "c", "c", other).Refused, "another peer")

	sync(t, a, late)
	require.Equal(t, "v", a.get("b1000"), "sessions bring it")
	late.put("more", "v")
	require.NoError(t, a.Receive(a.now(), "b", "b", late.Outbox()).Refused, "and gossip what follows")

	_, d = starts(t, "b", 1001)
	require.ErrorIs(t, a.Receive(a.now(), "b", "b", d).Refused, replica.ErrBounds)
	a.elapsed += time.Second
	require.NoError(t, a.Receive(a.now(), "b", "b", d).Refused, "one more each second")
}

// What is refused for another reason is no new actor.
func TestARefusedDeltaIsNoNewActor(t *testing.T) {
	a := newNode(t, "a", 1)
	ahead := func(i int) *replica.Delta {
		e := replica.Origin("b", [16]byte{byte(i), byte(i >> 8)}, hlc.FromTime(start.Add(24*time.Hour)))
		return delta(e)
	}
	for i := range 100 {
		a.Receive(a.now(), "b", "b", ahead(i))
	}
	require.EqualValues(t, 100, a.Stats().Refused.Skew)
	_, d := starts(t, "b", 1)
	require.NoError(t, a.Receive(a.now(), "b", "b", d).Refused)
}

// Very many peers that invent actors do not make a node forget who took most.
func TestWhoTookMostActorsIsRememberedLongest(t *testing.T) {
	a := newNode(t, "a", 1)
	take := func(peer string, i int) error {
		d := delta(replica.Origin(peer, [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, hlc.FromTime(start)))
		return a.Receive(a.now(), peer, peer, d).Refused
	}
	for i := range 64 {
		require.NoError(t, take("b", i))
	}
	for i := range 5000 {
		require.NoError(t, take(fmt.Sprint("sybil", i), i))
	}
	require.ErrorIs(t, take("b", 99), replica.ErrBounds)
	require.LessOrEqual(t, a.Inventive(), 1024)
}
