package replica_test

import (
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
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
