package p2p

import (
	"context"
	"encoding/binary"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"
)

// NewStream implements host.Host.
func (g gossipHost) NewStream(ctx context.Context, p peer.ID, protos ...protocol.ID) (network.Stream, error) {
	s, err := g.Host.NewStream(ctx, p, protos...)
	if err != nil || !g.h.cfg.ProveFirst {
		return s, err
	}
	return &gossipOut{s, g.h, p}, nil
}

// gossipOut is an outbound gossip stream that carries no messages to a peer who has not proved to be a member. Its
// score does not let gossipsub send it any, either, but for those of the moment in which it comes and has none yet.
type gossipOut struct {
	network.Stream
	h    *Host
	peer peer.ID
}

// Write implements io.Writer. gossipsub writes each RPC at once, behind its length.
func (s *gossipOut) Write(b []byte) (int, error) {
	if s.h.isProved(s.peer) {
		return s.Stream.Write(b)
	}
	rest := withoutMessages(b)
	if len(rest) == 0 {
		return len(b), nil
	}
	if _, err := s.Stream.Write(rest); err != nil {
		return 0, err
	}
	return len(b), nil
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
	body, err := proto.Marshal(&rpc)
	if err != nil || len(body) == 0 {
		return nil
	}
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}
