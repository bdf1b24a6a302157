package p2p

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// SeenFor is how long a message is remembered: within it, the same bytes reach a
// topic's handler once, however often they are published.
const SeenFor = 30 * time.Second

// gossipProtocol is gossipsub 1.2 under a name of its own: a minikv host must not
// end up in the mesh of some public network that has other limits and no envelopes.
const gossipProtocol protocol.ID = "/minikv/meshsub/1.2.0"

// queueLen is how many messages fit into a peer's outbound queue and into the
// validation queue. With the default of 32 a free-running publisher loses 5 to 19 %.
const queueLen = 4096

// minWorkers is how many messages are verified at a time at least, so that a handler
// waiting for a lock does not hold up everything on a machine with two processors.
const minWorkers = 4

// maxPublish is how many messages of one RPC are looked at. Peers that answer a request
// for lost messages send several; a flood of tiny ones would fill the queue.
const maxPublish = 512

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

// gossipParams departs from gossipsub's defaults where they are meant for large
// public networks.
func gossipParams(heartbeat time.Duration) pubsub.GossipSubParams {
	p := pubsub.DefaultGossipSubParams()
	// A new link relays others' messages only from the next heartbeat on (default 1 s).
	// One costs microseconds and sends nothing while there is nothing to say.
	p.HeartbeatInterval = heartbeat
	p.SlowHeartbeatWarning = 0
	// The cache of messages that a peer may still ask for holds 1 s, not 5: at 100 MB/s
	// it costs 100 MB of memory, and whoever misses more has anti-entropy. They are
	// offered for 0.6 s.
	p.HistoryLength, p.HistoryGossip = 5, 3
	// A topic that is left and joined again, or a peer pruned for a moment's overload,
	// is taken back after 1 and 10 s, not 10 and 60.
	p.UnsubscribeBackoff = time.Second
	p.PruneBackoff = 10 * time.Second
	p.GraftFloodThreshold = 2 * time.Second
	// "Don't send me this one" is worth its own packet only for a message clearly
	// larger than a packet (default 1 KiB), and is remembered for 1 s, as by default.
	p.IDontWantMessageThreshold = 16 << 10
	p.IDontWantMessageTTL = 5
	// Peers offered by peers are not dialled, so nobody needs to connect them.
	p.Connectors, p.PrunePeers = 0, 0
	return p
}

func (h *Host) newGossip() (*pubsub.PubSub, error) {
	quiet := slog.New(slog.DiscardHandler)
	opts := append(h.scoring(),
		pubsub.WithGossipSubProtocols([]protocol.ID{gossipProtocol}, gossipFeatures),
		pubsub.WithGossipSubParams(gossipParams(h.cfg.Heartbeat)),
		// Messages are signed once, by the envelope, which also names the author.
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(h.messageID),
		pubsub.WithSeenMessagesTTL(SeenFor),
		pubsub.WithMaxMessageSize(h.cfg.MaxMessage+maxEnvelopeOverhead+rpcOverhead),
		pubsub.WithPeerOutboundQueueSize(queueLen),
		pubsub.WithValidateQueueSize(queueLen),
		pubsub.WithValidateWorkers(max(minWorkers, runtime.GOMAXPROCS(0))),
		pubsub.WithDefaultValidator(h.validate, pubsub.WithValidatorInline(true)),
		pubsub.WithAppSpecificRpcInspector(h.inspect),
		pubsub.WithSubscriptionFilter(h.subs),
		pubsub.WithPeerFilter(func(p peer.ID, _ string) bool { return h.isProved(p) }),
		// The author sends to all peers of the topic, not just to its mesh: one hop for
		// everybody it is connected to.
		pubsub.WithFloodPublish(true),
		pubsub.WithRawTracer((*tracer)(h)),
		pubsub.WithLogger(quiet),
		pubsub.WithRPCLogger(quiet),
	)
	host := gossipHost{h.host, h}
	return pubsub.NewGossipSubWithRouter(h.ctx, host, pubsub.DefaultGossipSubRouter(host), opts...)
}

// messageID is gossipsub's id function. Own messages are looked up: their ids are known
// from signing them, and hashing again would hold up gossipsub's loop.
func (h *Host) messageID(m *pb.Message) string {
	if len(m.Data) > 0 {
		if id, ok := h.sealed.Load(&m.Data[0]); ok {
			return id.(string)
		}
	}
	return messageID(m.GetTopic(), m.Data)
}

var errIgnored = errors.New("p2p: peer is ignored for its score")

// inspect sees every RPC before gossipsub does, in gossipsub's loop. What it lets
// through must be certain to come to the validator or to be traced as rejected or
// duplicate: the flow control and the order of authors' messages rest on that. Hence
// peers are ignored for their score here, not by gossipsub, which does it silently.
func (h *Host) inspect(p peer.ID, rpc *pubsub.RPC) error {
	if h.score(p) < scoreIgnore {
		if len(rpc.Publish) > 0 {
			h.refuse(p, RefusedIgnored, uint64(len(rpc.Publish)), pointsIgnored)
		}
		return errIgnored
	}
	if len(rpc.Publish) > 0 && !h.outflow.known(p) {
		// Nobody learns of our topics but by our stream to them, and gossipsub keeps no
		// score of a peer that does not take one: such a peer could send anything.
		rpc.Publish = nil
	}
	kept := rpc.Publish[:0]
	for _, m := range rpc.Publish {
		t := h.topic(m.GetTopic())
		if t == nil || !t.live.Load() {
			continue // gossipsub would drop it untraced
		}
		if len(kept) == maxPublish {
			t.dropped.Add(1)
			continue
		}
		h.inflow.enter(p, m)
		kept = append(kept, m)
	}
	rpc.Publish = kept
	return nil
}

func (h *Host) topic(name string) *Topic {
	if t, ok := h.topics.Load(name); ok {
		return t.(*Topic)
	}
	return nil
}

// validate is gossipsub's validator of all topics. It runs for own messages, too,
// which need no verification.
func (h *Host) validate(_ context.Context, via peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if via == h.id {
		return pubsub.ValidationAccept
	}
	a, t := h.inflow.take(m.Message), h.topic(m.GetTopic())
	switch {
	case a == nil: // did not pass inspect: cannot be
		return pubsub.ValidationIgnore
	case a.err != nil:
		return t.reject(via, a.err)
	case t == nil:
		a.ticket.cancel()
		return pubsub.ValidationIgnore
	}
	return t.validate(via, m.ID, a)
}
