package p2p_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// A peer answers two pings of another at a time, and refuses more. When a hole is punched there may be four connections to it,
// and for each new one all others are to prove that they are alive.
func TestAPeerThatRefusesPingsIsAlive(t *testing.T) {
	a, b := newHost(t), newHost(t)
	connect(t, a, b)
	eventually(t, func() bool { return isPeer(b, a.ID()) }, "connected on both sides")
	var seen events
	a.OnPeer(seen.add)
	eventually(t, seen.is(event{b.ID(), true}), "there")
	require.NoError(t, p2p.Prove(a, b.ID(), 32))
	require.True(t, isPeer(a, b.ID()))
	require.True(t, isPeer(b, a.ID()))
	require.True(t, seen.is(event{b.ID(), true})(), "it was never left")
}
