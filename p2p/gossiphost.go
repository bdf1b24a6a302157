package p2p

import (
	"bufio"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const gossipReadBuffer = 16 << 10

// maxDelay bounds how long a peer's gossip stream is not read because of Config.Delay.
const maxDelay = time.Second

// gossipHost is the host as gossipsub sees it: streams that peers open pass through
// the flow control.
type gossipHost struct {
	host.Host
	h *Host
}

// SetStreamHandler implements host.Host.
func (g gossipHost) SetStreamHandler(proto protocol.ID, handle network.StreamHandler) {
	g.Host.SetStreamHandler(proto, func(s network.Stream) {
		in := &gossipIn{Stream: s, h: g.h, peer: s.Conn().RemotePeer()}
		in.buf = bufio.NewReaderSize((*gatedReader)(in), gossipReadBuffer)
		g.h.goRun(func() { g.h.announceAgain(in.peer) })
		// A stream that takes another one's place says anew what that one said, and the other one's
		// end, which may come later, says nothing any more.
		if _, replaces := g.h.ins.Swap(in.peer, in); replaces {
			g.forget(in.peer)
		}
		handle(in)
		if g.h.ins.CompareAndDelete(in.peer, in) {
			g.forget(in.peer)
		}
	})
}

// forget is told that the peer's gossip stream has ended.
func (g gossipHost) forget(p peer.ID) {
	g.h.subs.forget(p)
	g.h.inflow.forget(p)
}

// gossipIn is an inbound gossip stream.
type gossipIn struct {
	network.Stream
	buf  *bufio.Reader
	h    *Host
	peer peer.ID
}

// Read implements io.Reader.
func (s *gossipIn) Read(p []byte) (int, error) { return s.buf.Read(p) }

// gatedReader reads from the stream when the flow control allows it.
type gatedReader gossipIn

func (r *gatedReader) Read(p []byte) (int, error) {
	r.h.inflow.wait(r.peer)
	if delay := r.h.cfg.Delay; delay != nil {
		if d := delay(r.h.names.of(r.peer)); d > 0 {
			sleep(r.h.ctx, min(d, maxDelay))
		}
	}
	return r.Stream.Read(p)
}
