package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// Host is one identity on the network: its listeners, connections, topics and
// stream handlers. Make one with New. All methods are safe for concurrent use.
type Host struct {
	cfg  Config
	log  *slog.Logger
	key  ed25519.PrivateKey
	id   peer.ID
	name string // id as text
	host host.Host
	quic quicSockets
	gate *gate

	listening chan struct{} // closed when host is set and listens
	traffic   *traffic
	proofs    *proofs
	room      *frameRoom
	ledger    *ledger
	punched   *punched

	puncher puncher
	mapper  *portMapper // nil with DiscoveryNone

	book        *book
	greeter     *greeter
	remembering chan struct{} // capacity 1
	banNews     chan struct{} // of capacity 1: bans have begun or were lifted
	reserved    reservations
	reachable   reachable
	vantage     vantage

	ps      *pubsub.PubSub
	inflow  *inflow
	outflow *outflow
	subs    *subscriptions
	ins     sync.Map // peer.ID to the latest *gossipIn that is open
	outs    sync.Map // peer.ID to the latest *gossipOut that is open
	scores  atomic.Pointer[map[peer.ID]float64]
	names   names
	sealed  sync.Map // *byte, where the envelope begins, to its message id, during Publish

	peers   *peerTable
	redial  *redialer
	streams *streamTable
	finder  finder
	meeting *rendezvous // nil without DHT

	mdns       *mdns // nil with DiscoveryNone
	mdnsFailed atomic.Bool

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	once   sync.Once
	wg     sync.WaitGroup // goroutines of the host's own

	mu     sync.Mutex
	closed bool // nothing begins any more

	joining sync.Mutex // held by whoever changes topics
	topics  sync.Map   // name to *Topic; gossip's loop reads it, so it has no lock of ours
}

// New starts a host: it listens, begins to dial the static peers and returns
// without waiting for them. Errors name the setting that is wrong, or the address
// that could not be listened on.
func New(ctx context.Context, cfg Config) (*Host, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	static, err := parseStatic("Static", cfg.Static)
	if err != nil {
		return nil, err
	}
	relays, err := parseStatic("Relays", cfg.Relays)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h := &Host{
		cfg: cfg, log: cfg.Logger, traffic: new(traffic), ledger: newLedger(), proofs: newProofs(cfg.Now), punched: new(punched),
		inflow: newInflow(), outflow: newOutflow(),
		subs: &subscriptions{peers: make(map[peer.ID]map[string]time.Time), news: make(chan struct{}, 1)}, remembering: make(chan struct{}, 1), banNews: make(chan struct{}, 1), listening: make(chan struct{}),
	}
	h.resumeBans()
	h.room = newFrameRoom(func(p peer.ID) { h.refuse(p, RefusedFrames, 1, pointsFrames) })
	h.gate = &gate{strict: cfg.Discovery == DiscoveryNone, ledger: h.ledger}
	for _, info := range relays {
		h.gate.name(info.ID, info.Addrs) // AutoRelay dials at once
	}
	if h.host, err = h.newLibp2p(cfg, slices.Collect(values(relays))); err != nil {
		return nil, err
	}
	close(h.listening)
	h.id, h.name = h.host.ID(), h.host.ID().String()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	raw, err := cfg.Identity.Raw()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: reading the identity: %w", err), h.Close())
	}
	h.key = ed25519.PrivateKey(raw)
	h.streams = newStreamTable(h)
	h.redial = newRedialer(h)
	h.peers = newPeerTable(h)
	h.book, h.greeter = newBook(h.id), newGreeter(h)
	if err := h.watchEvents(); err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: following events: %w", err), h.Close())
	}
	h.Serve(greetProtocol, h.answerGreeting)
	if h.ps, err = h.newGossip(); err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: starting gossip: %w", err), h.Close())
	}
	h.host.Network().Notify(h.peers)
	if cfg.Discovery == DiscoveryDHT {
		if h.meeting, err = h.startDHT(); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	h.finder = h.startDiscovery()
	for _, info := range static {
		h.redial.keep(info)
	}
	for _, info := range relays {
		h.redial.keep(info)
	}
	h.recall(cfg.Known)
	if cfg.KeepBans != nil {
		h.goRun(h.keepBans)
	}
	h.goRun(h.watchNetwork)
	if !h.gate.strict {
		h.goRun(h.greetNowAndThen)
		h.goRun(h.spreadNews)
	}
	if !h.gate.strict && cfg.Remember != nil {
		h.goRun(h.remember)
	}
	return h, nil
}

// values walks the peers of a map.
func values(infos map[peer.ID]*peer.AddrInfo) iter.Seq[peer.AddrInfo] {
	return func(yield func(peer.AddrInfo) bool) {
		for _, info := range infos {
			if !yield(*info) {
				return
			}
		}
	}
}

// newLibp2p starts the libp2p host: TCP and QUIC only, TLS 1.3 or Noise, and with
// DiscoveryNone none of the services that would send something nobody asked for.
func (h *Host) newLibp2p(cfg Config, relays []peer.AddrInfo) (host.Host, error) {
	listen, err := parseListen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	limits, err := newResourceManager(cfg.Limits)
	if err != nil {
		return nil, fmt.Errorf("p2p: resource limits: %w", err)
	}
	conns, err := connmgr.NewConnManager(cfg.Limits.Conns*5/6, cfg.Limits.Conns)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: connection manager: %w", err), limits.Close())
	}
	opts := []libp2p.Option{
		libp2p.Identity(cfg.Identity),
		libp2p.UserAgent(cfg.UserAgent),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(libp2pquic.NewTransport),
		libp2p.Security(libp2ptls.ID, probed(cfg, libp2ptls.New)),
		libp2p.Security(noise.ID, probed(cfg, noise.New)),
		libp2p.Muxer(yamux.ID, newMuxer(cfg)),
		libp2p.ListenAddrs(),
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
		libp2p.SwarmOpts(swarm.WithDialRanker(rankDials)),
		libp2p.DisableMetrics(),
		libp2p.BandwidthReporter(h.traffic),
		libp2p.ConnectionGater(h.gate),
		// A static peer that is away must not teach the host that UDP is broken.
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
	}
	opts = append(opts, h.reach(cfg, relays)...)
	opts = append(opts, h.quic.patience(cfg, listen)...)
	lh, err := libp2p.New(opts...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: starting the host: %w", err), h.quic.close(), conns.Close(), limits.Close())
	}
	// Not by libp2p.New: it leaves goroutines behind if it fails, and is content with
	// one address out of many.
	for _, a := range listen {
		if err := lh.Network().Listen(a); err != nil {
			return nil, errors.Join(fmt.Errorf("p2p: listening on %s: %w", a, err), lh.Close(), h.quic.close())
		}
	}
	return lh, nil
}

// rttEvery is how often yamux measures round trips at most, for its window sizes, and rttCalm the same in
// keep-alives, where these are rare: each end of each connection does.
const (
	rttEvery = 10 * time.Minute
	rttCalm  = 20
)

// newMuxer is libp2p's multiplexer of streams over TCP, but for its keep-alive.
func newMuxer(cfg Config) network.Multiplexer {
	c := *yamux.DefaultTransport
	c.KeepAliveInterval = cfg.KeepAlive
	c.MeasureRTTInterval = max(rttEvery, rttCalm*cfg.KeepAlive) // the pings' results are used, these are not
	return &c
}

// Close leaves all topics, resets all streams, closes all connections and waits
// until handlers and functions given to OnPeer have returned, so do not call it from
// one. It may be called more than once.
func (h *Host) Close() error {
	var err error
	h.once.Do(func() { err = h.shutdown() })
	return err
}

func (h *Host) shutdown() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.joining.Lock()
	h.topics.Range(func(_, t any) bool {
		t.(*Topic).leave()
		return true
	})
	h.joining.Unlock()
	h.cancel()
	h.inflow.close()
	if h.finder != nil {
		if err := h.finder.Close(); err != nil {
			h.log.Debug("closing discovery", "err", err)
		}
	}
	if h.meeting != nil {
		if err := h.meeting.Close(); err != nil {
			h.log.Debug("closing the DHT", "err", err)
		}
	}
	h.puncher.close()
	err := errors.Join(h.host.Close(), h.quic.close())
	if h.peers != nil {
		h.peers.close()
	}
	h.wg.Wait()
	return err
}

func (h *Host) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// begin makes Close wait for a call of h.wg.Done. It reports false after Close.
func (h *Host) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.wg.Add(1)
	}
	return !h.closed
}

// goRun runs fn on a goroutine that Close waits for; after Close, not at all.
func (h *Host) goRun(fn func()) bool {
	if !h.begin() {
		return false
	}
	go func() {
		defer h.wg.Done()
		fn()
	}()
	return true
}

// ID is the host's peer id in text form.
func (h *Host) ID() string { return h.name }

// Addrs are the addresses the host can be dialled at, each ending in /p2p/ID. Of an
// unspecified listen address such as 0.0.0.0, all addresses of the interfaces. Without
// listener, none.
func (h *Host) Addrs() []string {
	if len(h.host.Addrs()) == 0 {
		return nil
	}
	infos, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.id, Addrs: h.host.Addrs()})
	if err != nil {
		return nil
	}
	out := make([]string, len(infos))
	for i, a := range infos {
		out[i] = a.String()
	}
	return out
}

// Connect dials the peer at addr, a multiaddr that ends in /p2p/ID, and returns
// its id. From then on the address is remembered: a lost link is dialled again
// until Disconnect. If the first dial fails, the error says so and nothing is
// remembered. A ban of the peer is lifted.
func (h *Host) Connect(ctx context.Context, addr string) (string, error) {
	info, err := parsePeer(addr)
	if err != nil {
		return "", err
	}
	if info.ID == h.id {
		return "", fmt.Errorf("p2p: %s is this host's own address", addr)
	}
	if h.isClosed() {
		return "", ErrClosed
	}
	known, shunned := h.redial.keeps(info.ID), h.redial.want(info.ID)
	if h.ledger.pardon(info.ID) {
		h.bansChanged()
	}
	h.gate.name(info.ID, info.Addrs)
	if err := h.dial(ctx, *info); err != nil {
		if !known {
			h.gate.forget(info.ID)
		}
		if shunned {
			h.redial.shun(info.ID)
		}
		return "", fmt.Errorf("p2p: connecting to %s: %w", addr, err)
	}
	h.redial.keep(info)
	return info.ID.String(), nil
}

// Disconnect closes all connections to the peer and forgets its addresses, so
// that it is not dialled again, static or not; a dial under way comes to nothing.
// The peer may still dial this host.
func (h *Host) Disconnect(id string) error {
	p, err := peer.Decode(id)
	if err != nil {
		return fmt.Errorf("p2p: peer id %q: %w", id, err)
	}
	h.redial.drop(p)
	h.gate.forget(p)
	h.book.forget(p)
	h.host.Peerstore().ClearAddrs(p)
	return h.host.Network().ClosePeer(p)
}
