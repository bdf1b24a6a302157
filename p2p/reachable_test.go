package p2p_test

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// fakeConn is a connection that is open or closed.
type fakeConn struct {
	network.Conn
	closed bool
}

func (c *fakeConn) IsClosed() bool { return c.closed }

// Where peers saw a host come from in another network is forgotten with the connections over which they saw it, unless the
// host is still where it was.
func TestWhereAHostWasSeenIsForgottenElsewhere(t *testing.T) {
	const home, office = "/ip4/11.0.0.7/tcp/7420", "/ip4/11.0.0.8/tcp/7420"
	r := p2p.NewReachable()
	old, lasting := new(fakeConn), new(fakeConn)
	r.Observe("a", home, old)
	r.Observe("b", office, lasting)
	old.closed = true
	require.ElementsMatch(t, []string{home, office}, r.SeenAt(), "the peer is gone, the network is not")
	r.Moved()
	require.Equal(t, []string{office}, r.SeenAt())
	r.Observe("a", office, new(fakeConn))
	require.Equal(t, []string{office}, r.SeenAt())
}

// A router that draws another port for each destination shows when two peers compare.
func TestARouterThatDrawsPortsShows(t *testing.T) {
	r := p2p.NewReachable()
	c := new(fakeConn)
	r.Observe("a", "/ip4/192.0.0.130/tcp/7420", c)
	r.Observe("a", "/ip4/192.0.0.130/udp/4711/quic-v1", c)
	r.Observe("b", "/ip4/192.0.0.130/udp/4711/quic-v1", c)
	r.Observe("b", "/ip4/192.0.0.131/tcp/1", c) // another way out
	require.False(t, r.IsSymmetric())
	r.Observe("c", "/ip4/192.0.0.130/udp/4712/quic-v1", c)
	require.True(t, r.IsSymmetric())
}
