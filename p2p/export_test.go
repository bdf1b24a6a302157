package p2p

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"net"
	"sync"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
	mss "github.com/multiformats/go-multistream"
	"github.com/quic-go/quic-go"
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
func ReadFrame(r *bytes.Reader, max int) ([]byte, error) {
	return readFrame(r, max, func(int) error { return nil })
}

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

// DialAnyway ends a dial that had begun before anything could be said against it.
func DialAnyway(ctx context.Context, h *Host, addr string) error {
	info, err := parsePeer(addr)
	if err != nil {
		return err
	}
	h.gate.name(info.ID, info.Addrs)
	defer h.gate.forget(info.ID)
	return h.dial(ctx, *info)
}

// Find is told of a peer as by a finder.
func Find(h *Host, addr string) error {
	info, err := parsePeer(addr)
	if err == nil {
		h.redial.keepFor(info.ID, foundKept)
	}
	return err
}

// Prove has all connections to a peer prove at once that they are alive, each so many times.
func Prove(h *Host, id string, times int) error {
	p, err := peer.Decode(id)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, c := range h.host.Network().ConnsToPeer(p) {
		for range times {
			all.Go(func() { h.proveConn(c) })
		}
	}
	all.Wait()
	return nil
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

// MaxConduct bounds the peers a ledger remembers.
const MaxConduct = maxConduct

// Ledger is a ledger with a clock of its own. Peers are any text.
type Ledger struct {
	l   *ledger
	Now time.Time
}

func NewLedger() *Ledger {
	out := &Ledger{l: newLedger(), Now: time.Unix(1e9, 0)}
	out.l.now = func() time.Time { return out.Now }
	return out
}

func (l *Ledger) Refuse(p, kind string, points float64) (time.Time, bool) {
	return l.l.refuse(peer.ID(p), kind, 1, points)
}

func (l *Ledger) Admits(p, addr string) bool {
	if addr == "" {
		return l.l.admits(peer.ID(p), nil)
	}
	return l.l.admits(peer.ID(p), ma.StringCast(addr))
}

func (l *Ledger) BannedAt(p, addr string) { l.l.bannedAt(peer.ID(p), ma.StringCast(addr)) }
func (l *Ledger) Vouch(p string)          { l.l.vouch(peer.ID(p)) }
func (l *Ledger) Pardon(p string) bool    { return l.l.pardon(peer.ID(p)) }
func (l *Ledger) Len() int                { return len(l.l.peers) }

// Bounds of the book, and the protocol of greetings.
const (
	MaxBook       = maxBook
	MaxBookAddrs  = 2 * maxBookAddrs // signed ones and those that worked
	GreetProtocol = greetProtocol
)

// Book is a book of addresses.
type Book struct{ b *book }

func NewBook(self string) *Book { return &Book{newBook(peer.ID(self))} }

func (b *Book) Learn(data []byte) (news bool, err error) {
	_, news, err = b.b.learn(data)
	return news, err
}

func (b *Book) Found(p peer.ID, addr string) { b.b.found(p, ma.StringCast(addr)) }
func (b *Book) Shares(p peer.ID)             { b.b.shares(p) }
func (b *Book) Remembered() []string         { return b.b.remembered() }
func (b *Book) Len() int                     { return len(b.b.peers) }

func (b *Book) Addrs(p peer.ID) (out []string) {
	for _, a := range b.b.addrs(p) {
		out = append(out, a.String())
	}
	return out
}

// EncodeGreeting and DecodeGreeting are the codec of greetings.
func EncodeGreeting(topics []string, records [][]byte) ([]byte, error) {
	return (&greeting{Version: greetingVersion, Topics: topics, Records: records}).encode()
}

func DecodeGreeting(data []byte) error {
	_, err := decodeGreeting(data)
	return err
}

// FitQUIC is the configuration of a patient host for a connection over QUIC.
func FitQUIC(after time.Duration, addr net.Addr, conf *quic.Config) *quic.Config {
	return patientQUIC{after: after}.fit(addr, conf)
}

// Calm sets the kernel's test of a connection as a patient host does.
func Calm(keepAlive time.Duration, c net.Conn) { (&probing{every: 2 * keepAlive}).calm(c) }

// SetProofPatience changes for how long members of one topic may be in another.
func (h *Host) SetProofPatience(d time.Duration) {
	h.proofs.mu.Lock()
	defer h.proofs.mu.Unlock()
	h.proofs.patience = d
}

// WriteRaw writes bytes to a stream that need be no frame.
func WriteRaw(s *Stream, b []byte) error { return s.write(b) }

// FrameBytes is the memory that unfinished frames take of all peers, and of the one of whom they take most.
func (h *Host) FrameBytes() (total, most int) { return h.room.Bytes() }

func NewFrameRoom() *frameRoom { return newFrameRoom(func(peer.ID) {}) }

func (r *frameRoom) Frame(p peer.ID, cut func()) *growing { return r.frame(p, cut) }

func (r *frameRoom) Bytes() (total, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.peers {
		most = max(most, n)
	}
	return r.total, most
}

func (g *growing) Grow(n int) error { return g.grow(n) }
func (g *growing) End()             { g.end() }

// ResetGossip ends the gossip stream to a peer, as when one of two connections is closed.
func (h *Host) ResetGossip(id string) bool {
	p, err := peer.Decode(id)
	if err != nil {
		return false
	}
	out, ok := h.outs.Load(p)
	return ok && out.(*gossipOut).Stream.Reset() == nil
}

// SurplusAfter is how soon one of two connections to a peer is left.
const SurplusAfter = surplusAfter

// OpenOnEach opens a stream on each connection to a peer.
func OpenOnEach(ctx context.Context, h *Host, id string, proto protocol.ID) (out []*Stream) {
	p, err := peer.Decode(id)
	if err != nil {
		return nil
	}
	for _, c := range h.host.Network().ConnsToPeer(p) {
		s, err := c.NewStream(ctx)
		if err != nil || mss.SelectProtoOrFail(proto, s) != nil || s.SetProtocol(proto) != nil {
			return nil
		}
		out = append(out, h.newStream(s))
	}
	return out
}

// DialBeside makes a further connection to a peer at an address, which the dialler's host does not know of.
func DialBeside(ctx context.Context, h *Host, addr string) error {
	info, err := parsePeer(addr)
	if err != nil {
		return err
	}
	_, err = h.host.Network().(*swarm.Swarm).TransportForDialing(info.Addrs[0]).Dial(ctx, info.Addrs[0], info.ID)
	return err
}

// Gate is a gate before a ledger.
type Gate struct{ g *gate }

func NewGate(l *Ledger) *Gate { return &Gate{&gate{ledger: l.l}} }

func (g *Gate) Name(p, addr string) { g.g.name(peer.ID(p), []ma.Multiaddr{ma.StringCast(addr)}) }

// Secured reports whether a connection with the peer may be, once it is known who that is.
func (g *Gate) Secured(dir network.Direction, p, addr string) bool {
	return g.g.InterceptSecured(dir, peer.ID(p), endpoints{remote: ma.StringCast(addr)})
}

type endpoints struct{ remote ma.Multiaddr }

func (e endpoints) LocalMultiaddr() ma.Multiaddr  { return nil }
func (e endpoints) RemoteMultiaddr() ma.Multiaddr { return e.remote }

// Hurries reports whether naming a peer that the host is about to dial makes it dial at once.
func Hurries(h *Host, p peer.ID) bool {
	r := newRedialer(h)
	k := &keptPeer{id: p, limit: time.Hour, hurry: make(chan struct{}, 1), lost: make(chan struct{}, 1)}
	r.kept[p] = k
	r.keepFor(p, 0)
	return len(k.hurry) == 1
}

// Asleep is for how long a machine or a process was not awake that has seen so much time pass by two clocks.
var Asleep = asleep

// Learnt is how many peers that nobody named the host dials when they are away.
func Learnt(h *Host) int { return h.redial.learnt() }

// Keeps reports whether the host dials a peer when it is away.
func Keeps(h *Host, id string) bool {
	p, err := peer.Decode(id)
	return err == nil && h.redial.keeps(p)
}

// Reachable knows where peers see a host come from.
type Reachable struct{ r *reachable }

func NewReachable() *Reachable { return &Reachable{new(reachable)} }

func (r *Reachable) Observe(p, at string, c network.Conn) {
	r.r.observe(peer.ID(p), ma.StringCast(at), c)
}

// Identified tells a host that a peer has said who it is over a connection, and from where it sees the host come; it
// returns where the host takes itself to be seen.
func Identified(h *Host, c network.Conn, seenAt string) []string {
	h.identified(event.EvtPeerIdentificationCompleted{Peer: c.RemotePeer(), Conn: c, ObservedAddr: ma.StringCast(seenAt)})
	return texts(h.reachable.seenAt())
}

func (r *Reachable) IsSymmetric() bool { return r.r.isSymmetric() }
func (r *Reachable) Moved()            { r.r.moved() }
func (r *Reachable) SeenAt() []string  { return texts(r.r.seenAt()) }

// GossipHandler is what the host does with gossip streams that peers open, where handle reads them.
func GossipHandler(h *Host, handle network.StreamHandler) network.StreamHandler {
	c := &handlerHost{Host: h.host}
	gossipHost{c, h}.SetStreamHandler(gossipProtocol, handle)
	return c.handle
}

// handlerHost keeps the handler that it is given.
type handlerHost struct {
	host.Host
	handle network.StreamHandler
}

func (c *handlerHost) SetStreamHandler(_ protocol.ID, handle network.StreamHandler) {
	c.handle = handle
}

// Subscribe is what a peer's gossip stream says.
func Subscribe(h *Host, p peer.ID, topic string) {
	yes := true
	_, _ = h.subs.FilterIncomingSubscriptions(p, []*pb.RPC_SubOpts{{Topicid: &topic, Subscribe: &yes}}) // it never fails
}

// Subscribed reports whether the peer is known to be in a topic.
func Subscribed(h *Host, p peer.ID, topic string) bool {
	_, is := h.subs.since(p, topic)
	return is
}

// AskNATPMP has a host's ports mapped by a router, and returns when it would ask again and which ports it has.
func AskNATPMP(h *Host, router net.IP) (pause time.Duration, mapped []string, err error) {
	m := &portMapper{net: h.host.Network(), log: h.log}
	pause, err = m.askNATPMP(natpmp.NewClientWithTimeout(router, pmpPatience))
	return pause, texts(m.mapped()), err
}

// CloseMapper closes a port mapper that waits for its router, and returns how long the router has.
func CloseMapper(h *Host, router <-chan struct{}) (time.Duration, error) {
	m := &portMapper{log: h.log, cancel: func() {}}
	m.wg.Go(func() { <-router })
	return mapGoodbye, m.Close()
}

// PutDown has the DHT say that a host is in a topic, which it need not be.
func PutDown(h *Host, topic string) error {
	ctx, cancel := context.WithTimeout(h.ctx, lookTimeout)
	defer cancel()
	_, err := h.meeting.meet.Advertise(ctx, topic)
	return err
}
