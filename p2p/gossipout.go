package p2p

import (
	"context"
	"encoding/binary"
	"sync"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"
)

// NewStream implements host.Host.
func (g gossipHost) NewStream(ctx context.Context, p peer.ID, protos ...protocol.ID) (network.Stream, error) {
	s, err := g.Host.NewStream(ctx, p, protos...)
	if err != nil {
		return nil, err
	}
	out := &gossipOut{Stream: s, h: g.h, peer: p}
	g.h.outs.Store(p, out)
	return out, nil
}

// gossipOut is an outbound gossip stream that carries no messages to a peer who has not proved to be a member. Its
// score does not let gossipsub send it any, either, but for those of the moment in which it comes and has none yet.
type gossipOut struct {
	network.Stream
	h    *Host
	peer peer.ID
	mu   sync.Mutex // one RPC at a time
}

// Write implements io.Writer. gossipsub writes each RPC at once, behind its length.
func (s *gossipOut) Write(b []byte) (int, error) {
	rest := b
	if !s.h.isProved(s.peer) {
		if rest = withoutMessages(b); len(rest) == 0 {
			return len(b), nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.Stream.Write(rest); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close implements io.Closer.
func (s *gossipOut) Close() error {
	s.h.outs.CompareAndDelete(s.peer, s)
	return s.Stream.Close()
}

// Reset implements network.Stream.
func (s *gossipOut) Reset() error {
	s.h.outs.CompareAndDelete(s.peer, s)
	return s.Stream.Reset()
}

// announceAgain tells a peer what this host subscribes to, if there is a stream to it. A peer whose own stream ended,
// as with one of two connections, forgets that and opens another stream, while the one to it goes on: gossipsub would not say it again.
func (h *Host) announceAgain(p peer.ID) {
	out, ok := h.outs.Load(p)
	if !ok {
		return
	}
	var rpc pb.RPC
	h.topics.Range(func(name, _ any) bool {
		rpc.Subscriptions = append(rpc.Subscriptions, &pb.RPC_SubOpts{Topicid: proto.String(name.(string)), Subscribe: proto.Bool(true)})
		return true
	})
	if len(rpc.Subscriptions) == 0 {
		return
	}
	if b, err := frameRPC(&rpc); err == nil {
		_, _ = out.(*gossipOut).Write(b) // gossipsub notices where the stream is gone
	}
}

// withoutMessages is an RPC without the messages in it, nil if there was nothing else.
func withoutMessages(b []byte) []byte {
	size, n := binary.Uvarint(b)
	var rpc pb.RPC
	if n <= 0 || uint64(len(b)-n) != size || proto.Unmarshal(b[n:], &rpc) != nil {
		return nil
	}
	if len(rpc.Publish) == 0 {
		return b
	}
	rpc.Publish = nil
	if b, err := frameRPC(&rpc); err == nil && len(b) > 1 {
		return b
	}
	return nil
}

// frameRPC is an RPC behind its length.
func frameRPC(rpc *pb.RPC) ([]byte, error) {
	body, err := proto.Marshal(rpc)
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...), err
}
