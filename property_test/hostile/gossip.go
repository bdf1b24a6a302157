package hostile

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"
)

const gossipProtocol protocol.ID = "/minikv/meshsub/1.2.0"

// gossip is a gossip stream to a node.
type gossip struct {
	a *attacker
	s network.Stream
}

// gossip opens a gossip stream to a node.
func (a *attacker) gossip(n peer.AddrInfo) (*gossip, error) {
	ctx, cancel := context.WithTimeout(a.ctx, 10*time.Second)
	defer cancel()
	s, err := a.host.NewStream(ctx, n.ID, gossipProtocol)
	if err != nil {
		return nil, err
	}
	return &gossip{a, s}, nil
}

// subscribed opens a gossip stream, learns the node's topic from what it says, and subscribes to it.
func (a *attacker) subscribed(n peer.AddrInfo) (*gossip, string, error) {
	g, err := a.gossip(n)
	if err != nil {
		return nil, "", err
	}
	topic, err := a.learnTopic()
	if err != nil {
		return nil, "", err
	}
	return g, topic, g.subscribe(topic)
}

func (g *gossip) subscribe(topic string) error {
	return g.send(&pb.RPC{
		Subscriptions: []*pb.RPC_SubOpts{{Subscribe: proto.Bool(true), Topicid: &topic}},
		Control:       &pb.ControlMessage{Graft: []*pb.ControlGraft{{TopicID: &topic}}},
	})
}

func (g *gossip) unsubscribe(topic string) error {
	return g.send(&pb.RPC{Subscriptions: []*pb.RPC_SubOpts{{Subscribe: proto.Bool(false), Topicid: &topic}}})
}

func (g *gossip) publish(topic string, data []byte) error {
	return g.send(&pb.RPC{Publish: []*pb.Message{{Topic: &topic, Data: data}}})
}

func (g *gossip) send(rpc *pb.RPC) error {
	body, err := proto.Marshal(rpc)
	if err != nil {
		return err
	}
	_ = g.s.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a stream that is gone says so when written to
	n, err := g.s.Write(append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	g.a.tally.out.Add(int64(n))
	return err
}

// hearGossip keeps what a node says.
func (a *attacker) hearGossip(s network.Stream) {
	for in := bufio.NewReader(s); ; {
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return
		}
		buf := make([]byte, n)
		if _, err := io.ReadFull(in, buf); err != nil {
			return
		}
		a.tally.in.Add(int64(n))
		var rpc pb.RPC
		if proto.Unmarshal(buf, &rpc) != nil {
			return
		}
		a.hear(&rpc)
	}
}

func (a *attacker) hear(rpc *pb.RPC) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, sub := range rpc.Subscriptions {
		if sub.GetSubscribe() {
			a.topics[sub.GetTopicid()] = true
		}
	}
	for _, m := range rpc.Publish {
		if len(a.heard) == 0 {
			a.tally.note("heard gossip")
		}
		if len(a.heard) == maxHeard {
			a.heard = append(a.heard[:0], a.heard[maxHeard/2:]...)
		}
		a.heard = append(a.heard, heard{m.GetTopic(), m.Data})
	}
	close(a.news)
	a.news = make(chan struct{})
}

// await waits until look, called with what was heard, is content.
func (a *attacker) await(look func() bool) error {
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	for {
		a.mu.Lock()
		done, news := look(), a.news
		a.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-a.ctx.Done():
			return a.ctx.Err()
		case <-patience.C:
			return context.DeadlineExceeded
		}
	}
}

// learnTopic waits for a topic that a node tells of.
func (a *attacker) learnTopic() (topic string, err error) {
	err = a.await(func() bool {
		for t := range a.topics {
			topic = t
		}
		return topic != ""
	})
	return topic, err
}

// envelope wraps and signs a payload as the attacker.
func (a *attacker) envelope(topic string, payload []byte) []byte {
	return envelope(a.key, a.id, topic, payload)
}

// envelope is what p2p wraps a gossip message in.
func envelope(key ed25519.PrivateKey, author peer.ID, topic string, payload []byte) []byte {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(topic)))
	h.Write(n[:])
	h.Write([]byte(topic))
	h.Write(payload)
	signature := ed25519.Sign(key, h.Sum([]byte("minikv/gossip/1\n")))
	out := []byte{0x84, 1}
	for _, b := range [][]byte{[]byte(author), payload, signature} {
		out = append(byteString(out, len(b)), b...)
	}
	return out
}

// byteString appends the head of a CBOR byte string in its shortest form.
func byteString(out []byte, n int) []byte {
	switch {
	case n < 24:
		return append(out, 0x40|byte(n))
	case n <= 0xff:
		return append(out, 0x58, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(out, 0x59), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(out, 0x5a), uint32(n))
}
