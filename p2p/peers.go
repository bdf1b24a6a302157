package p2p

import (
	"context"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	ma "github.com/multiformats/go-multiaddr"
)

const pingTimeout = 10 * time.Second

// Peer describes a connected peer.
type Peer struct {
	ID        string
	Addrs     []string      // where its connections lead, without /p2p/ID
	Transport string        // of the oldest connection, a direct one if there is one: "quic", "tcp", "relay"
	Path      string        // PathDirect, PathRelayed or PathPunched
	Limited   bool          // relayed, and the relay limits bytes and time
	Relayed   bool          // every connection goes through a relay
	Inbound   bool          // the peer dialled
	RTT       time.Duration // moving average of pings; 0 before the first
	Score     float64       // 0, or below for a peer whose gossip was rejected or that is too slow; without the points of Conduct
	Since     time.Time     // connected since
}

// peerTable knows who is connected, from the network's notifications, and tells
// the feeds. A peer is up while it has at least one connection.
type peerTable struct {
	h       *Host
	mu      sync.Mutex
	conns   map[peer.ID]map[network.Conn]struct{}
	since   map[peer.ID]time.Time
	ping    map[peer.ID]context.CancelFunc
	thinned map[peer.ID]bool // their surplus connections are being closed
	feeds   []*feed
	ended   bool
}

func newPeerTable(h *Host) *peerTable {
	return &peerTable{
		h:       h,
		conns:   make(map[peer.ID]map[network.Conn]struct{}),
		since:   make(map[peer.ID]time.Time),
		ping:    make(map[peer.ID]context.CancelFunc),
		thinned: make(map[peer.ID]bool),
	}
}

// Listen implements network.Notifiee.
func (t *peerTable) Listen(network.Network, ma.Multiaddr) {}

// ListenClose implements network.Notifiee.
func (t *peerTable) ListenClose(network.Network, ma.Multiaddr) {}

// Connected implements network.Notifiee. The swarm calls it once for a connection,
// and before it calls Disconnected for the same one.
func (t *peerTable) Connected(_ network.Network, c network.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := c.RemotePeer()
	if t.ended {
		return
	}
	if c.Stat().Direction == network.DirOutbound && t.h.redial.shuns(p) && !hasInbound(t.conns[p]) {
		t.h.goRun(func() { _ = c.Close() }) // a dial that was under way at Disconnect, and had got past all who could stop it
	}
	if len(t.conns[p]) == 0 {
		t.conns[p] = make(map[network.Conn]struct{})
		t.since[p] = time.Now()
		ctx, cancel := context.WithCancel(t.h.ctx)
		t.ping[p] = cancel
		t.h.goRun(func() { t.h.pingLoop(ctx, p) })
		t.tell(p, true)
	}
	t.conns[p][c] = struct{}{}
	if len(t.conns[p]) > 1 {
		t.h.goRun(func() { t.h.proveOthers(c) })
		t.h.goRun(func() { t.h.leaveRelay(p) }) // the relayed one may be the later one: both sides dial
		t.thin(p)
	}
}

// Disconnected implements network.Notifiee.
func (t *peerTable) Disconnected(_ network.Network, c network.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := c.RemotePeer()
	delete(t.conns[p], c)
	if !isRelayed(c.RemoteMultiaddr()) && !hasDirect(t.conns[p]) {
		t.h.punched.forget(p)
		t.h.redial.lost(p)
	}
	if c.Stat().Limited && !hasLimited(t.conns[p]) {
		t.h.goRun(func() { t.h.unlimited(p) })
	}
	if len(t.conns[p]) > 0 || t.ping[p] == nil {
		return
	}
	t.ping[p]()
	delete(t.conns, p)
	delete(t.since, p)
	delete(t.ping, p)
	t.tell(p, false)
	t.h.redial.lost(p)
}

// tell posts to all feeds; the caller holds the lock, so all see one order.
func (t *peerTable) tell(p peer.ID, up bool) {
	for _, f := range t.feeds {
		f.post(p.String(), up)
	}
}

func (t *peerTable) close() {
	t.mu.Lock()
	t.ended = true
	feeds := t.feeds
	t.mu.Unlock()
	for _, f := range feeds {
		f.close()
	}
}

// OnPeer calls fn when the first connection to a peer opens and when the last one
// closes: in order, from one goroutine of fn's own, none left out; peers that are
// connected already come first. A slow fn delays only itself. Should more than 1,024
// notices wait for it, those of one peer are merged into what they amount to.
// Notices end with Close.
func (h *Host) OnPeer(fn func(id string, up bool)) {
	t := h.peers
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	f := newFeed(fn)
	t.feeds = append(t.feeds, f)
	for p := range t.conns {
		f.post(p.String(), true)
	}
}

// Peers are the connected peers, ordered by id.
func (h *Host) Peers() []Peer {
	t := h.peers
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Peer, 0, len(t.conns))
	for p, conns := range t.conns {
		out = append(out, h.describe(p, conns, t.since[p]))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

func (h *Host) describe(p peer.ID, conns map[network.Conn]struct{}, since time.Time) Peer {
	d := Peer{ID: p.String(), Relayed: true, Since: since, Score: h.score(p), RTT: h.host.Peerstore().LatencyEWMA(p)}
	d.Limited = h.host.Network().Connectedness(p) == network.Limited
	var best network.Conn
	for c := range conns {
		d.Addrs = append(d.Addrs, c.RemoteMultiaddr().String())
		if !isRelayed(c.RemoteMultiaddr()) {
			d.Relayed = false
		}
		if best == nil || better(c, best) {
			best = c
		}
	}
	if best != nil {
		d.Inbound = best.Stat().Direction == network.DirInbound
		d.Transport = transportName(best)
	}
	d.Path = h.path(p, d.Relayed)
	sort.Slice(d.Addrs, func(i, j int) bool {
		if a, b := strings.Contains(d.Addrs[i], circuit), strings.Contains(d.Addrs[j], circuit); a != b {
			return b
		}
		return d.Addrs[i] < d.Addrs[j]
	})
	return d
}

func transportName(c network.Conn) string {
	if isRelayed(c.RemoteMultiaddr()) {
		return "relay"
	}
	name, _, _ := strings.Cut(c.ConnState().Transport, "-")
	return name
}

// pingLoop measures the round trip to p, at once and then each PingEvery, until
// the peer is gone. The results go to the peerstore's moving average.
func (h *Host) pingLoop(ctx context.Context, p peer.ID) {
	if h.cfg.PingEvery < 0 {
		return
	}
	for ctx.Err() == nil {
		pctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(network.WithNoDial(ctx, "ping"), "ping"), pingTimeout)
		if r := <-ping.Ping(pctx, h.host, p); r.Error != nil {
			h.log.Debug("ping failed", "peer", p, "err", r.Error)
		}
		cancel()
		sleep(ctx, h.cfg.PingEvery)
	}
}
