package p2p

import (
	"bytes"
	"context"
	"crypto/ed25519"

	"github.com/libp2p/go-libp2p/core/peer"
)

// What attackers and fuzzers need.
const (
	GossipProtocol = gossipProtocol
	FrameChunk     = frameChunk
	FullBytes      = fullBytes
	CapBytes       = capBytes
	MaxNotices     = maxNotices
	MaxPeerTopics  = maxPeerTopics
)

// SealID makes an envelope and tells its message id.
var SealID = seal

// Seal makes an envelope.
func Seal(key ed25519.PrivateKey, author peer.ID, topic string, payload []byte) []byte {
	data, _ := seal(key, author, topic, payload)
	return data
}

// OpenEnvelope decodes and verifies.
func OpenEnvelope(topic string, data []byte) (author string, payload []byte, err error) {
	env, err := openEnvelope(data)
	if err != nil {
		return "", nil, err
	}
	id := messageID(topic, data)
	return env.author.String(), env.payload, env.verify(id, maxMessage)
}

// MessageID is the gossip id of data on the topic.
func MessageID(topic string, data []byte) string { return messageID(topic, data) }

// ReadFrame reads a frame as a Stream does.
func ReadFrame(r *bytes.Reader, max int) ([]byte, error) { return readFrame(r, max) }

// AppendLength appends a frame's length prefix.
var AppendLength = appendLength

// DialLearnt dials a peer at whatever addresses it told of itself.
func DialLearnt(ctx context.Context, h *Host, id string) error {
	p, err := peer.Decode(id)
	if err != nil {
		return err
	}
	return h.host.Connect(ctx, peer.AddrInfo{ID: p})
}

// QueuedFor is how much is queued for the peer's gossip stream.
func QueuedFor(h *Host, id string) int {
	p, err := peer.Decode(id)
	if err != nil {
		return 0
	}
	h.outflow.mu.Lock()
	defer h.outflow.mu.Unlock()
	if e := h.outflow.peers[p]; e != nil {
		return int(e.bytes)
	}
	return 0
}

// Waiting is how many messages wait for validation.
func Waiting(h *Host) int { return int(h.inflow.total.msgs.Load()) }

// Feed makes a feed of notices.
func Feed(fn func(string, bool)) (post func(string, bool), close func()) {
	f := newFeed(fn)
	return f.post, f.close
}
