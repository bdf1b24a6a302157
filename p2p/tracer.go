package p2p

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// tracer hears from gossipsub what became of each message: it feeds the flow control
// and counts what would be lost without a word. All but SendRPCCompleted and the
// validators' notices come from gossipsub's loop.
type tracer Host

const (
	meshTag       = "minikv-mesh"
	meshTagWeight = 20
)

// DropRPC implements pubsub.RawTracer: a peer's outbound queue was full.
func (t *tracer) DropRPC(rpc *pubsub.RPC, _ peer.ID) {
	for _, m := range rpc.GetPublish() {
		if tp := (*Host)(t).topic(m.GetTopic()); tp != nil {
			tp.dropped.Add(1)
		}
	}
}

// RejectMessage implements pubsub.RawTracer. Rejections by the validator are counted
// there; these come before it.
func (t *tracer) RejectMessage(m *pubsub.Message, reason string) {
	tp := (*Host)(t).topic(m.GetTopic())
	switch reason {
	case pubsub.RejectValidationFailed, pubsub.RejectValidationIgnored, pubsub.RejectValidationThrottled:
		return
	case pubsub.RejectValidationQueueFull:
		if tp != nil {
			tp.dropped.Add(1)
		}
	default:
		if tp != nil {
			tp.rejected.Add(1)
		}
	}
	t.inflow.discard(m.Message)
}

// DuplicateMessage implements pubsub.RawTracer.
func (t *tracer) DuplicateMessage(m *pubsub.Message) {
	t.inflow.discard(m.Message)
	if tp := (*Host)(t).topic(m.GetTopic()); tp != nil {
		tp.duplicate.Add(1)
	}
}

// ValidateMessage implements pubsub.RawTracer; the validator comes next.
func (t *tracer) ValidateMessage(*pubsub.Message) {}

// SendRPC implements pubsub.RawTracer: the RPC was put into p's queue.
func (t *tracer) SendRPC(rpc *pubsub.RPC, p peer.ID) {
	bytes, msgs := weigh(rpc)
	t.outflow.queued(p, bytes, msgs)
}

// SendRPCCompleted implements pubsub.RawTracer: the RPC was written.
func (t *tracer) SendRPCCompleted(rpc *pubsub.RPC, p peer.ID, _ time.Duration) {
	bytes, msgs := weigh(rpc)
	t.outflow.queued(p, -bytes, -msgs)
}

func weigh(rpc *pubsub.RPC) (bytes, msgs int64) {
	for _, m := range rpc.GetPublish() {
		bytes += int64(len(m.Data))
		msgs++
	}
	return bytes, msgs
}

// OnNewOutboundStream implements pubsub.RawTracer.
func (t *tracer) OnNewOutboundStream(p peer.ID, _ protocol.ID) { t.outflow.open(p) }

// OnClosedOutboundStream implements pubsub.RawTracer. The peer is out of all meshes
// without further notice.
func (t *tracer) OnClosedOutboundStream(p peer.ID) {
	t.outflow.closed(p)
	t.topics.Range(func(_, tp any) bool {
		tp.(*Topic).meshed(p, false)
		return true
	})
	t.host.ConnManager().UntagPeer(p, meshTag)
}

// Graft implements pubsub.RawTracer.
func (t *tracer) Graft(p peer.ID, topic string) {
	if tp := (*Host)(t).topic(topic); tp != nil {
		tp.meshed(p, true)
	}
	t.host.ConnManager().TagPeer(p, meshTag, meshTagWeight)
}

// Prune implements pubsub.RawTracer.
func (t *tracer) Prune(p peer.ID, topic string) {
	if tp := (*Host)(t).topic(topic); tp != nil {
		tp.meshed(p, false)
	}
}

// Join implements pubsub.RawTracer.
func (t *tracer) Join(string) {}

// Leave implements pubsub.RawTracer.
func (t *tracer) Leave(string) {}

// DeliverMessage implements pubsub.RawTracer.
func (t *tracer) DeliverMessage(*pubsub.Message) {}

// UndeliverableMessage implements pubsub.RawTracer; there are no subscriptions.
func (t *tracer) UndeliverableMessage(*pubsub.Message) {}

// ThrottlePeer implements pubsub.RawTracer.
func (t *tracer) ThrottlePeer(peer.ID) {}

// RecvRPC implements pubsub.RawTracer.
func (t *tracer) RecvRPC(*pubsub.RPC) {}
