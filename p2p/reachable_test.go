package p2p_test

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// fakeConn is a connection that is open or closed.
type fakeConn struct {
	network.Conn
	closed bool
	peer   peer.ID
	local  ma.Multiaddr
	dir    network.Direction
}

func (c *fakeConn) IsClosed() bool                { return c.closed }
func (c *fakeConn) RemotePeer() peer.ID           { return c.peer }
func (c *fakeConn) LocalMultiaddr() ma.Multiaddr  { return c.local }
func (c *fakeConn) RemoteMultiaddr() ma.Multiaddr { return ma.StringCast("/ip4/11.0.0.9/tcp/4711") }
func (c *fakeConn) Stat() network.ConnStats {
	return network.ConnStats{Stats: network.Stats{Direction: c.dir}}
}

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
	c := &fakeConn{local: ma.StringCast("/ip4/10.1.0.2/tcp/7420")}
	r.Observe("a", "/ip4/192.0.0.130/tcp/7420", c)
	r.Observe("a", "/ip4/192.0.0.130/udp/4711/quic-v1", c)
	r.Observe("b", "/ip4/192.0.0.130/udp/4711/quic-v1", c)
	r.Observe("b", "/ip4/192.0.0.131/tcp/1", c)                                                            // another way out
	r.Observe("d", "/ip4/192.0.0.130/tcp/7421", &fakeConn{local: ma.StringCast("/ip4/10.1.0.2/tcp/7421")}) // another port here, too
	require.False(t, r.IsSymmetric())
	r.Observe("c", "/ip4/192.0.0.130/udp/4712/quic-v1", c)
	require.True(t, r.IsSymmetric())
}

// Where a host comes out those see to whom it has dialled: others see where they have dialled to, which may be a port that
// the router leads here, and none that it comes out with.
func TestWhoDialledDoesNotSeeWhereAHostComesOut(t *testing.T) {
	h := newHost(t)
	local := ma.StringCast(h.State().Listening[0])
	require.Empty(t, p2p.Identified(h, &fakeConn{peer: "a", local: local, dir: network.DirInbound}, "/ip4/11.0.0.7/tcp/7420"))
	require.Equal(t, []string{"/ip4/11.0.0.7/tcp/7421"}, p2p.Identified(h, &fakeConn{peer: "b", local: local, dir: network.DirOutbound}, "/ip4/11.0.0.7/tcp/7421"))
}
