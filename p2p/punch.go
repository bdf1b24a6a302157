package p2p

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Holes are punched by libp2p's service (DCUtR), which the host starts itself: that of
// libp2p.EnableHolePunching tries once, when a relayed connection comes in, and not at
// all if that is before this host knows its public address, which here is the rule.

// A peer that is reached through a relay is dialled, or a hole punched to it, first
// after upgradeMin, then after pauses that grow to upgradeMax.
const upgradeMin, upgradeMax = time.Second, 5 * time.Minute

// puncher holds the service, once the host knows where it comes out.
type puncher struct {
	mu      sync.Mutex
	service *holepunch.Service
	ended   bool
}

func (p *puncher) get() *holepunch.Service {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.service
}

// close ends attempts under way. The service itself has no errors to tell.
func (p *puncher) close() {
	p.mu.Lock()
	s := p.service
	p.ended = true
	p.mu.Unlock()
	if s != nil {
		_ = s.Close()
	}
}

// startPunching starts the service as soon as there is a public address to punch from: it
// looks for one at intervals that grow to 5 s, and at once.
func (h *Host) startPunching() {
	h.puncher.mu.Lock()
	defer h.puncher.mu.Unlock()
	ids, ok := h.host.(interface{ IDService() identify.IDService })
	if h.gate.strict || h.puncher.service != nil || h.puncher.ended || !ok || len(h.punchAddrs()) == 0 {
		return
	}
	s, err := holepunch.NewService(h.host, ids.IDService(), h.punchAddrs,
		holepunch.WithTracer((*punchTracer)(h)), holepunch.WithAddrFilter((*punchFilter)(h)))
	if err != nil {
		h.log.Warn("no holes can be punched", "err", err)
		return
	}
	h.puncher.service = s
}

// punchAddrs are the public addresses from which this host dials, as far as it knows.
func (h *Host) punchAddrs() []ma.Multiaddr {
	addrs := slices.DeleteFunc(h.host.Addrs(), func(a ma.Multiaddr) bool { return isRelayed(a) || !manet.IsPublicAddr(a) })
	return ma.Unique(append(addrs, h.reachable.seenAt()...))
}

// punch makes a direct connection to a peer that is reached through a relay, or fails
// within half a minute. Only the side that was dialled may begin it.
func (h *Host) punch(p peer.ID) error {
	s := h.puncher.get()
	if s == nil || !h.punched.may(p, time.Now()) || !slices.Contains(h.host.Mux().Protocols(), holepunch.Protocol) {
		return nil // it does not know its public address yet
	}
	for _, c := range h.host.Network().ConnsToPeer(p) {
		if isRelayed(c.RemoteMultiaddr()) && c.Stat().Direction == network.DirInbound {
			return s.DirectConnect(p)
		}
	}
	return nil
}

// leaveRelayAfter is how long a relayed connection lasts beside a direct one: exchanges
// under way on it may come to their end.
const leaveRelayAfter = 2 * time.Second

// leaveRelay closes the relayed connections to a peer that is reached directly: gossip,
// which stays with the connection it began on, then moves over.
func (h *Host) leaveRelay(p peer.ID) {
	sleep(h.ctx, leaveRelayAfter)
	if h.ctx.Err() != nil || h.link(p) != PathDirect {
		return
	}
	for _, c := range h.host.Network().ConnsToPeer(p) {
		if isRelayed(c.RemoteMultiaddr()) {
			_ = c.Close() // it may be gone already
		}
	}
}

// punchTracer hears from the service what became of its attempts.
type punchTracer Host

var _ holepunch.EventTracer = (*punchTracer)(nil)

// Trace implements holepunch.EventTracer.
func (t *punchTracer) Trace(e *holepunch.Event) {
	t.log.Debug("punching a hole", "peer", e.Remote, "event", e.Type, "what", fmt.Sprintf("%+v", e.Evt))
	if end, ok := e.Evt.(*holepunch.EndHolePunchEvt); ok {
		t.punched.note(e.Remote, end.Success)
	}
}

// punchFilter keeps the service from trying again and again where no hole can be punched:
// the service would at each relayed connection, and while it tries no relayed connection
// can be made. Without an address of its own to tell, it gives up.
type punchFilter Host

var _ holepunch.AddrFilter = (*punchFilter)(nil)

// FilterLocal implements holepunch.AddrFilter.
func (f *punchFilter) FilterLocal(p peer.ID, addrs []ma.Multiaddr) []ma.Multiaddr {
	if !f.punched.may(p, time.Now()) {
		return nil
	}
	return addrs
}

// FilterRemote implements holepunch.AddrFilter.
func (f *punchFilter) FilterRemote(_ peer.ID, addrs []ma.Multiaddr) []ma.Multiaddr { return addrs }

const (
	// After punchTries failures in a row no hole to a peer is punched for punchPause, and
	// for twice as long after each further one, up to punchPauseMost.
	punchTries     = 2
	punchPause     = 30 * time.Second
	punchPauseMost = 10 * time.Minute
)

// punched remembers the peers to whom holes were punched, or could not be.
type punched struct {
	mu    sync.Mutex
	peers map[peer.ID]struct{}
	fails map[peer.ID]*punchFails
}

type punchFails struct {
	n     int
	until time.Time // not again before
}

func (t *punched) note(p peer.ID, success bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.peers == nil {
		t.peers, t.fails = make(map[peer.ID]struct{}), make(map[peer.ID]*punchFails)
	}
	if success {
		t.peers[p] = struct{}{}
		delete(t.fails, p)
		return
	}
	f := t.fails[p]
	if f == nil {
		if len(t.fails) >= maxBook {
			clear(t.fails)
		}
		f = new(punchFails)
		t.fails[p] = f
	}
	if f.n++; f.n >= punchTries {
		f.until = time.Now().Add(min(punchPause<<min(f.n-punchTries, 16), punchPauseMost))
	}
}

// may reports whether it is time to try.
func (t *punched) may(p peer.ID, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.fails[p]
	return f == nil || !now.Before(f.until)
}

// anew forgets failures: the network is another one.
func (t *punched) anew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.fails)
}

func (t *punched) has(p peer.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.peers[p]
	return ok
}

// forget is told that there is no direct connection to the peer any more.
func (t *punched) forget(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.peers, p)
}
