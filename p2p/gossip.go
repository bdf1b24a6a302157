package p2p

import (
	"crypto/sha256"
	"log/slog"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// SeenFor is how long a message is remembered: within it, the same bytes reach a
// topic's handler once, however often they are published.
const SeenFor = 30 * time.Second

// gossipProtocol is gossipsub 1.2 under a name of its own: a minikv host must not
// end up in the mesh of some public network that has other limits and no envelopes.
const gossipProtocol protocol.ID = "/minikv/meshsub/1.2.0"

// queueLen is how many messages wait for a peer and for validation. The default of
// 32 loses 5 to 19 % of what a free-running publisher sends.
const queueLen = 4096

// rpcOverhead is what gossipsub adds to an envelope at most: topic name and framing.
const rpcOverhead = maxTopicName + 64

func gossipFeatures(f pubsub.GossipSubFeature, proto protocol.ID) bool {
	if proto != gossipProtocol {
		return false
	}
	switch f {
	case pubsub.GossipSubFeatureMesh, pubsub.GossipSubFeaturePX, pubsub.GossipSubFeatureIdontwant:
		return true
	}
	return false
}

func (h *Host) newGossip() (*pubsub.PubSub, error) {
	return pubsub.NewGossipSub(h.ctx, h.host,
		pubsub.WithGossipSubProtocols([]protocol.ID{gossipProtocol}, gossipFeatures),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithMaxMessageSize(h.cfg.MaxMessage+maxEnvelopeOverhead+rpcOverhead),
		pubsub.WithPeerOutboundQueueSize(queueLen),
		pubsub.WithValidateQueueSize(queueLen),
		pubsub.WithSeenMessagesTTL(SeenFor),
		pubsub.WithFloodPublish(true),
		pubsub.WithRawTracer((*tracer)(h)),
		pubsub.WithLogger(slog.New(slog.DiscardHandler)),
		pubsub.WithRPCLogger(slog.New(slog.DiscardHandler)),
	)
}

// messageID is a hash over the whole envelope. Anything less (the signature alone,
// say) would let a forger block a message by sending another one under its id first.
func messageID(m *pb.Message) string {
	d := sha256.Sum256(m.Data)
	return string(d[:])
}
