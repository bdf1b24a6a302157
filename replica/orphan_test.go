package replica_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/replica"
)

// In go-ds-crdt one announced id that nobody holds keeps a replica from hearing anything for five minutes.
func TestAWriteThatNobodyHoldsMakesNobodyDeaf(t *testing.T) {
	a, b, gone := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "gone", 3)
	for _, p := range []string{"a", "gone"} {
		b.PeerUp(b.now(), p)
	}
	gone.put("lost", "v")
	gone.lose("lost too")
	gone.put("heard", "v")
	gossip(t, gone, b)
	nothing := &replica.Delta{Actor: gone.Actor(), Announced: crdt.Ranges{{Lo: 1000, Hi: 2000}}}
	require.NoError(t, b.Receive(b.now(), "gone", "gone", nothing).Refused)
	require.NotZero(t, b.Gaps())
	b.PeerDown("gone") // and with it what lies in the gap, for ever

	a.put("by gossip", "v")
	gossip(t, a, b)
	require.Equal(t, "v", b.get("by gossip"), "at once")
	a.lose("by session") // by gossip
	sync(t, b, a)
	require.Equal(t, "lost", b.get("by session"), "at once")
	requireEqual(t, a, b)
	require.Equal(t, "v", a.get("heard"), "what is there travels on")
	for range 10 {
		b.elapsed += time.Minute
		b.tick()
	}
	require.Zero(t, b.Gaps(), "and the gap is given up")
}
