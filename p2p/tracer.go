package p2p

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// tracer counts what gossipsub would lose without a word.
type tracer Host

func (t *tracer) topic(name string) *Topic {
	if v, ok := (*Host)(t).topics.Load(name); ok {
		return v.(*Topic)
	}
	return nil
}

// DropRPC implements pubsub.RawTracer: a peer's outbound queue was full.
func (t *tracer) DropRPC(rpc *pubsub.RPC, _ peer.ID) {
	for _, m := range rpc.GetPublish() {
		if tp := t.topic(m.GetTopic()); tp != nil {
			tp.dropped.Add(1)
		}
	}
}

// RejectMessage implements pubsub.RawTracer. Rejections by the topic's validator are
// counted there; here those that happen before it.
func (t *tracer) RejectMessage(m *pubsub.Message, reason string) {
	tp := t.topic(m.GetTopic())
	if tp == nil {
		return
	}
	switch reason {
	case pubsub.RejectValidationFailed, pubsub.RejectValidationIgnored:
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		tp.dropped.Add(1)
	default:
		tp.rejected.Add(1)
	}
}

// UndeliverableMessage implements pubsub.RawTracer.
func (t *tracer) UndeliverableMessage(*pubsub.Message) {}

// OnNewOutboundStream implements pubsub.RawTracer.
func (t *tracer) OnNewOutboundStream(peer.ID, protocol.ID) {}

// OnClosedOutboundStream implements pubsub.RawTracer.
func (t *tracer) OnClosedOutboundStream(peer.ID) {}

// Join implements pubsub.RawTracer.
func (t *tracer) Join(string) {}

// Leave implements pubsub.RawTracer.
func (t *tracer) Leave(string) {}

// Graft implements pubsub.RawTracer.
func (t *tracer) Graft(peer.ID, string) {}

// Prune implements pubsub.RawTracer.
func (t *tracer) Prune(peer.ID, string) {}

// ValidateMessage implements pubsub.RawTracer.
func (t *tracer) ValidateMessage(*pubsub.Message) {}

// DeliverMessage implements pubsub.RawTracer.
func (t *tracer) DeliverMessage(*pubsub.Message) {}

// DuplicateMessage implements pubsub.RawTracer.
func (t *tracer) DuplicateMessage(*pubsub.Message) {}

// ThrottlePeer implements pubsub.RawTracer.
func (t *tracer) ThrottlePeer(peer.ID) {}

// RecvRPC implements pubsub.RawTracer.
func (t *tracer) RecvRPC(*pubsub.RPC) {}

// SendRPC implements pubsub.RawTracer.
func (t *tracer) SendRPC(*pubsub.RPC, peer.ID) {}

// SendRPCCompleted implements pubsub.RawTracer.
func (t *tracer) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
