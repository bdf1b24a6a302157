package minikv_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestPutTravelsByGossip(t *testing.T) {
	regs := mesh(t, 2)
	put(t, regs[0], "k", "v")
	require.Eventually(t, func() bool { return value(t, regs[1], "k") == "v" }, patience, time.Millisecond)
	e, err := regs[1].Get(context.Background(), "k")
	require.NoError(t, err)
	require.Equal(t, regs[0].Node().ID(), e.Writer)
	requireEqual(t, regs...)
}

func TestPartitionHeals(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	put(t, a, "gone", "x")
	requireEqual(t, regs...)
	disconnect(t, a.Node(), b.Node())
	for i := range 100 {
		put(t, a, fmt.Sprintf("a/%d", i), "a")
		put(t, b, fmt.Sprintf("b/%d", i), "b")
	}
	require.NoError(t, a.Delete(context.Background(), "gone"))
	winner := "a"
	if ra, rb := put(t, a, "both", "a"), put(t, b, "both", "b"); rb.Compare(ra) > 0 {
		winner = "b"
	} else if ra == rb {
		put(t, a, "both", "a")
	}
	require.NotEqual(t, a.Root(), b.Root())
	connect(t, a.Node(), b.Node())
	requireEqual(t, regs...)
	require.Equal(t, winner, value(t, a, "both"), "the later revision wins")
	require.Empty(t, value(t, b, "gone"))
	n, err := a.Len(context.Background())
	require.NoError(t, err)
	require.Equal(t, 201, n)
}

// What a node brings along when it connects goes on to those it does not know, at once: gossip does not carry it.
func TestWhatCameInAnExchangeTravelsOn(t *testing.T) {
	regs := make([]*minikv.Registry, 4)
	for i := range regs {
		regs[i] = openRegistry(t, online(t, minikv.Config{SyncInterval: time.Hour}), "test")
	}
	for i := range regs[:3] {
		connect(t, regs[i].Node(), regs[i+1].Node())
		require.NoError(t, regs[i].WaitSynced(within(t), 1))
	}
	disconnect(t, regs[0].Node(), regs[1].Node())
	put(t, regs[0], "k", "written offline")
	connect(t, regs[0].Node(), regs[1].Node())
	requireEqual(t, regs...)
	require.Equal(t, "written offline", value(t, regs[3], "k"))
}
