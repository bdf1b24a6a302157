package p2p_test

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// gossipStream is a gossip stream of a peer.
type gossipStream struct {
	network.Stream
	conn peerConn
}

func (s *gossipStream) Conn() network.Conn { return s.conn }

type peerConn struct {
	network.Conn
	peer peer.ID
}

func (c peerConn) RemotePeer() peer.ID { return c.peer }

// A gossip stream of a peer that ends after another one took its place takes nothing with it of what that one said.
func TestAStreamThatWasReplacedIsForgottenFirst(t *testing.T) {
	h := newHost(t)
	_, _, p := newKey(t)
	type step struct{ begun, end chan struct{} }
	steps := map[string]step{"old": {make(chan struct{}), make(chan struct{})}, "new": {make(chan struct{}), make(chan struct{})}}
	next := make(chan string, 2)
	handle := p2p.GossipHandler(h, func(network.Stream) {
		name := <-next
		p2p.Subscribe(h, p, name)
		close(steps[name].begun)
		<-steps[name].end
	})
	ended := map[string]chan struct{}{"old": make(chan struct{}), "new": make(chan struct{})}
	open := func(name string) {
		next <- name
		go func() { handle(&gossipStream{conn: peerConn{peer: p}}); close(ended[name]) }()
		<-steps[name].begun
	}
	open("old")
	require.True(t, p2p.Subscribed(h, p, "old"))
	open("new")
	require.False(t, p2p.Subscribed(h, p, "old"), "said by the stream that was replaced")
	close(steps["old"].end)
	<-ended["old"]
	require.True(t, p2p.Subscribed(h, p, "new"), "said by the one that goes on")
	close(steps["new"].end)
	<-ended["new"]
	require.False(t, p2p.Subscribed(h, p, "new"))
}
