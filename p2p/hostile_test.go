package p2p_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/minikv/minikv/p2p"
)

// rawPeer speaks gossip by hand: it sends what it is told and notes what it is sent.
type rawPeer struct {
	t    testing.TB
	host host.Host
	key  ed25519.PrivateKey
	out  network.Stream

	mu    sync.Mutex
	hello bool            // it was told the victim's topics
	came  map[string]bool // messages it was sent
}

// newRawPeer connects to the victim and subscribes to the topic. Gossip that it is sent
// goes to listen, if given.
func newRawPeer(t testing.TB, victim *p2p.Host, topic string, listen ...network.StreamHandler) *rawPeer {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	raw, err := key.Raw()
	require.NoError(t, err)
	h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings(loopback...), libp2p.DisableRelay(), libp2p.DisableMetrics())
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	r := &rawPeer{t: t, host: h, key: raw, came: make(map[string]bool)}
	h.SetStreamHandler(p2p.GossipProtocol, append(listen, r.listen)[0])
	info, err := peer.AddrInfoFromString(victim.Addrs()[0])
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, h.Connect(ctx, *info))
	r.out, err = h.NewStream(ctx, info.ID, p2p.GossipProtocol)
	require.NoError(t, err)
	require.NoError(t, r.send(&pb.RPC{
		Subscriptions: []*pb.RPC_SubOpts{{Subscribe: proto.Bool(true), Topicid: &topic}},
		Control:       &pb.ControlMessage{Graft: []*pb.ControlGraft{{TopicID: &topic}}},
	}))
	return r
}

func (r *rawPeer) listen(s network.Stream) {
	in := bufio.NewReader(s)
	for {
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return
		}
		buf := make([]byte, n)
		if _, err := io.ReadFull(in, buf); err != nil {
			return
		}
		var rpc pb.RPC
		if proto.Unmarshal(buf, &rpc) != nil {
			return
		}
		r.mu.Lock()
		r.hello = r.hello || len(rpc.Subscriptions) > 0
		for _, m := range rpc.Publish {
			r.came[string(m.Data)] = true
		}
		r.mu.Unlock()
	}
}

func (r *rawPeer) got(data []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came[string(data)]
}

func (r *rawPeer) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.came)
}

// heard reports whether a message with the payload came in the topic "reg".
func (r *rawPeer) heard(payload string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for data := range r.came {
		if _, got, err := p2p.OpenEnvelope("reg", []byte(data)); err == nil && string(got) == payload {
			return true
		}
	}
	return false
}

// warm publishes until the peer hears of it: gossipsub may lose what it is given just after a peer came.
func warm(t *testing.T, topic *p2p.Topic, r *rawPeer) {
	t.Helper()
	i := 0
	require.Eventually(t, func() bool {
		i++
		return r.count() > 0 || topic.Publish(t.Context(), fmt.Append(nil, r.host.ID(), i)) != nil
	}, patience, 10*time.Millisecond)
}

func (r *rawPeer) send(rpc *pb.RPC) error {
	body, err := proto.Marshal(rpc)
	require.NoError(r.t, err)
	_, err = r.out.Write(append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	return err
}

func (r *rawPeer) publish(topic string, data []byte) {
	r.t.Helper()
	require.NoError(r.t, r.send(&pb.RPC{Publish: []*pb.Message{{Topic: &topic, Data: data}}}))
}

// scene is a victim with an attacker and a bystander, both raw, that would be sent
// what the victim relays.
type scene struct {
	victim              *p2p.Host
	topic               *p2p.Topic
	in                  *inbox
	attacker, bystander *rawPeer
}

func newScene(t testing.TB, edit ...func(*p2p.Config)) *scene {
	t.Helper()
	s := &scene{victim: newHost(t, edit...), in: newInbox()}
	s.topic = join(t, s.victim, "reg", s.in.handle)
	s.attacker, s.bystander = newRawPeer(t, s.victim, "reg"), newRawPeer(t, s.victim, "reg")
	s.meet(t)
	return s
}

// meet waits until the victim has met both.
func (s *scene) meet(t testing.TB) {
	meet(t, 2, s.topic)
	for _, r := range []*rawPeer{s.attacker, s.bystander} {
		eventually(t, func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.hello
		}, "no hello")
	}
}

// settle publishes a valid message and waits until it was handled and relayed, so
// that whatever was sent before has been dealt with.
func (s *scene) settle(t testing.TB, label string) {
	t.Helper()
	n := len(s.in.wait(t, 0))
	honest := p2p.Seal(s.attacker.key, s.attacker.host.ID(), "reg", []byte("settled "+label))
	s.attacker.publish("reg", honest)
	s.in.wait(t, n+1)
	require.Eventually(t, func() bool { return s.bystander.got(honest) }, patience, time.Millisecond)
}

func TestBadMessagesAreNeitherHandledNorRelayed(t *testing.T) {
	_, key, id := newKey(t)
	good := p2p.Seal(key, id, "reg", []byte("good"))
	flipped := append([]byte(nil), p2p.Seal(key, id, "reg", []byte("flipped"))...)
	flipped[len(flipped)-1] ^= 1
	altered := append([]byte(nil), p2p.Seal(key, id, "reg", []byte("payload"))...)
	altered[2+2+len(id)+1] ^= 1
	noise := make([]byte, 1000)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	_, otherKey, _ := newKey(t)
	for name, bad := range map[string][]byte{
		"signature":     flipped,
		"payload":       altered,
		"other's key":   p2p.Seal(otherKey, id, "reg", []byte("forged")),
		"other topic":   p2p.Seal(key, id, "reg2", []byte("replayed")),
		"random":        noise,
		"empty":         {},
		"a byte more":   append(append([]byte(nil), good...), 0),
		"a byte less":   good[:len(good)-1],
		"above the cap": p2p.Seal(key, id, "reg", make([]byte, 4<<10+1)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, func(c *p2p.Config) { c.MaxMessage = 4 << 10 })
			s.attacker.publish("reg", bad)
			s.settle(t, name)
			require.Len(t, s.in.wait(t, 1), 1, "the bad one was handled")
			require.False(t, s.bystander.got(bad), "the bad one was relayed")
			// Authors are judged concurrently: the good message may be through first.
			require.Eventually(t, func() bool { return s.topic.Stats().Rejected == 1 }, patience, 10*time.Millisecond)
			require.Eventually(t, func() bool { return scoreOf(s.victim, s.attacker.host.ID()) < 0 }, patience, 10*time.Millisecond)
			require.Zero(t, scoreOf(s.victim, s.bystander.host.ID()))
		})
	}
}

func scoreOf(h *p2p.Host, p peer.ID) float64 {
	for _, q := range h.Peers() {
		if q.ID == p.String() {
			return q.Score
		}
	}
	return 0
}

func TestAuthorIsTheSignerNotTheForwarder(t *testing.T) {
	s := newScene(t)
	_, key, id := newKey(t)
	s.attacker.publish("reg", p2p.Seal(key, id, "reg", []byte("x")))
	want := p2p.Message{From: id.String(), Via: s.attacker.host.ID().String(), Data: []byte("x")}
	require.Equal(t, want, s.in.wait(t, 1)[0])
}

func TestPubsubAuthorFieldsAreRefused(t *testing.T) {
	for name, edit := range map[string]func(*pb.Message){
		"from":      func(m *pb.Message) { m.From = []byte("somebody") },
		"seqno":     func(m *pb.Message) { m.Seqno = []byte{1} },
		"signature": func(m *pb.Message) { m.Signature = []byte{1} },
		"key":       func(m *pb.Message) { m.Key = []byte{1} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			_, key, id := newKey(t)
			topic := "reg"
			m := &pb.Message{Topic: &topic, Data: p2p.Seal(key, id, "reg", []byte("x"))}
			edit(m)
			require.NoError(t, s.attacker.send(&pb.RPC{Publish: []*pb.Message{m}}))
			s.settle(t, name)
			require.Len(t, s.in.wait(t, 1), 1)
			require.Equal(t, uint64(1), s.topic.Stats().Rejected)
		})
	}
}

func TestMessageComesOnce(t *testing.T) {
	s := newScene(t)
	_, key, id := newKey(t)
	m := p2p.Seal(key, id, "reg", []byte("x"))
	for range 3 {
		s.attacker.publish("reg", m)
		s.bystander.publish("reg", m)
	}
	s.settle(t, "once")
	require.Len(t, s.in.wait(t, 2), 2)
	require.Eventually(t, func() bool { return s.topic.Stats().Duplicate == 5 }, patience, time.Millisecond)
}

func TestOwnMessageDoesNotComeBack(t *testing.T) {
	s := newScene(t)
	require.NoError(t, s.topic.Publish(t.Context(), []byte("mine")))
	var echo []byte
	require.Eventually(t, func() bool {
		s.attacker.mu.Lock()
		defer s.attacker.mu.Unlock()
		for m := range s.attacker.came {
			echo = []byte(m)
		}
		return echo != nil
	}, patience, time.Millisecond)
	s.attacker.publish("reg", echo)
	s.settle(t, "echo")
	require.Len(t, s.in.wait(t, 1), 1)
}

func TestRepeatOffenderIsNoLongerHeard(t *testing.T) {
	s := newScene(t)
	for i := range 8 {
		s.attacker.publish("reg", []byte{byte(i)})
	}
	require.Eventually(t, func() bool { return s.topic.Stats().Rejected == 8 }, patience, time.Millisecond)
	eventually(t, func() bool { return scoreOf(s.victim, s.attacker.host.ID()) < -400 }, "score")
	_, key, id := newKey(t)
	s.attacker.publish("reg", p2p.Seal(key, id, "reg", []byte("from the offender")))
	// The bystander is still heard, after the offender was not.
	s.bystander.publish("reg", p2p.Seal(key, id, "reg", []byte("from the bystander")))
	require.Equal(t, "from the bystander", string(s.in.wait(t, 1)[0].Data))
	require.Len(t, s.in.wait(t, 1), 1)
}

// A peer that offers messages and does not have them any more when it is asked, as one that is overloaded, is heard and spoken
// to as before: messages are kept for a second only.
func TestPeerThatNoLongerHasWhatItOfferedIsHeard(t *testing.T) {
	s := newScene(t)
	topic := "reg"
	for i := range 60 {
		offer := &pb.ControlIHave{TopicID: &topic, MessageIDs: []string{fmt.Sprint("gone ", i)}}
		require.NoError(t, s.attacker.send(&pb.RPC{Control: &pb.ControlMessage{Ihave: []*pb.ControlIHave{offer}}}))
		<-time.After(25 * time.Millisecond) // some for each heartbeat are listened to
	}
	<-time.After(pubsub.GossipSubIWantFollowupTime + 2*time.Second) // a promise is taken for broken, and scores are looked at
	require.Zero(t, scoreOf(s.victim, s.attacker.host.ID()))
	s.settle(t, "after the offers")
	require.Empty(t, s.victim.Conduct(s.attacker.host.ID().String()).Refusals)
}

func TestOversizeRPCEndsTheStream(t *testing.T) {
	s := newScene(t, func(c *p2p.Config) { c.MaxMessage = 4 << 10 })
	_, key, id := newKey(t)
	topic := "reg"
	err := s.attacker.send(&pb.RPC{Publish: []*pb.Message{{Topic: &topic, Data: p2p.Seal(key, id, "reg", make([]byte, 1<<20))}}})
	if err == nil { // the victim may reset the stream while it is being written
		_, err = s.attacker.out.Read(make([]byte, 1))
	}
	require.Error(t, err)
	require.Empty(t, s.in.wait(t, 0))
}

func TestFloodOfTinyMessagesIsCut(t *testing.T) {
	s := newScene(t)
	topic := "reg"
	_, key, id := newKey(t)
	rpc := &pb.RPC{}
	for i := range 600 {
		rpc.Publish = append(rpc.Publish, &pb.Message{Topic: &topic, Data: p2p.Seal(key, id, "reg", []byte{byte(i), byte(i >> 8)})})
	}
	require.NoError(t, s.attacker.send(rpc))
	s.in.wait(t, 512)
	s.settle(t, "flood")
	require.Len(t, s.in.wait(t, 513), 513)
	require.Equal(t, uint64(600-512), s.topic.Stats().Dropped)
}

func TestTopicsOfAPeerAreBounded(t *testing.T) {
	s := newScene(t)
	var rpc pb.RPC
	for i := range 2 * p2p.MaxPeerTopics {
		name := string(binary.BigEndian.AppendUint32(nil, uint32(i)))
		rpc.Subscriptions = append(rpc.Subscriptions, &pb.RPC_SubOpts{Subscribe: proto.Bool(true), Topicid: &name})
	}
	require.NoError(t, s.attacker.send(&rpc))
	s.settle(t, "topics")
	first := join(t, s.victim, string([]byte{0, 0, 0, 0}), newInbox().handle)
	last := join(t, s.victim, string(binary.BigEndian.AppendUint32(nil, 2*p2p.MaxPeerTopics-1)), newInbox().handle)
	require.Eventually(t, func() bool { return len(first.Peers()) == 1 }, patience, time.Millisecond)
	require.Empty(t, last.Peers())
}

func TestPeerThatTakesNoStreamIsNotHeard(t *testing.T) {
	s := newScene(t)
	_, key, id := newKey(t)
	s.attacker.host.RemoveStreamHandler(p2p.GossipProtocol)
	for _, c := range s.attacker.host.Network().Conns() {
		for _, st := range c.GetStreams() {
			if st.Stat().Direction == network.DirInbound && st.Protocol() == p2p.GossipProtocol {
				require.NoError(t, st.Reset())
			}
		}
	}
	eventually(t, func() bool { return len(s.topic.Peers()) == 1 }, "the stream is gone")
	s.attacker.publish("reg", p2p.Seal(key, id, "reg", []byte("unheard")))
	s.bystander.publish("reg", p2p.Seal(key, id, "reg", []byte("heard")))
	require.Equal(t, "heard", string(s.in.wait(t, 1)[0].Data))
}

func TestRejectedByTheHandlerIsNotRelayed(t *testing.T) {
	for _, tt := range []struct {
		verdict p2p.Verdict
		want    p2p.TopicStats
		guilty  bool
	}{
		{p2p.Ignore, p2p.TopicStats{Published: 1, Received: 1, Ignored: 1}, false},
		{p2p.Reject, p2p.TopicStats{Published: 1, Received: 1, Rejected: 1}, true},
	} {
		s := &scene{victim: newHost(t), in: newInbox()}
		s.topic = join(t, s.victim, "reg", func(m p2p.Message) p2p.Verdict {
			s.in.handle(m)
			return tt.verdict
		})
		s.attacker, s.bystander = newRawPeer(t, s.victim, "reg"), newRawPeer(t, s.victim, "reg")
		s.meet(t)
		_, key, id := newKey(t)
		m := p2p.Seal(key, id, "reg", []byte("x"))
		s.attacker.publish("reg", m)
		s.in.wait(t, 1)
		// What the victim publishes now comes behind anything it would have relayed.
		require.NoError(t, s.topic.Publish(t.Context(), []byte("last")))
		require.Eventually(t, func() bool { return s.bystander.count() == 1 }, patience, time.Millisecond)
		require.False(t, s.bystander.got(m))
		require.Eventually(t, func() bool {
			return (scoreOf(s.victim, s.attacker.host.ID()) < 0) == tt.guilty
		}, patience, 10*time.Millisecond)
		got := s.topic.Stats()
		got.Mesh = 0
		require.Equal(t, tt.want, got)
	}
}

func TestForeignProtocolsDoNotMesh(t *testing.T) {
	h := newHost(t)
	other, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableRelay(), libp2p.DisableMetrics())
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	info, err := peer.AddrInfoFromString(h.Addrs()[0])
	require.NoError(t, err)
	require.NoError(t, other.Connect(t.Context(), *info))
	for _, proto := range []protocol.ID{"/meshsub/1.2.0", "/meshsub/1.1.0", "/floodsub/1.0.0", "/libp2p/autonat/1.0.0", "/libp2p/circuit/relay/0.2.0/hop"} {
		_, err := other.NewStream(t.Context(), info.ID, proto)
		require.Error(t, err, proto)
	}
}

// Whoever has not shown membership is sent nothing, though it subscribes and grafts; what it sends is heard.
func TestGossipIsForProvedPeers(t *testing.T) {
	s := newStage(t)
	for i := range 3 {
		require.NoError(t, s.topic.Publish(t.Context(), []byte{byte(i)}))
		require.Eventually(t, func() bool { return s.bystander.heard(string(rune(i))) }, patience, time.Millisecond)
	}
	s.settle(t, "unproved")
	require.Zero(t, s.attacker.count())
	s.victim.Prove(s.attacker.host.ID().String(), "reg", time.Time{})
	warm(t, s.topic, s.attacker)
}
