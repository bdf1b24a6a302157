package p2p

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-netroute"
	ma "github.com/multiformats/go-multiaddr"
)

// Many routers lead a port of theirs to a machine behind them if asked to, by NAT-PMP or by UPnP. libp2p asks once, when
// the host starts, and stays with the router it found then; and it asks by UPnP alone, for its NAT-PMP looks for the route to
// 0.0.0.0, which go-netroute refuses on Linux since version 0.4. Here the router is asked again when the network is another one, and
// now and then while none answers. NAT-PMP comes first: two packets, where UPnP needs dozens, most of them to all on the network.

const (
	// While no router maps a port, it is asked again after pauses from mapFirst to mapMost; from mapSoon if one did before, as
	// it may be starting anew.
	mapSoon, mapFirst, mapMost = time.Minute, 10 * time.Minute, 2 * time.Hour
	// UPnP has mapPatience to map the first port; whether it still does is looked at every mapLook.
	mapPatience, mapLook = 15 * time.Second, time.Minute
	// mapGoodbye is how long a router has to take its mappings back when the host is closed. One that has fallen silent
	// would hold it up for minutes; what it still maps then ends by itself.
	mapGoodbye = 2 * time.Second
)

// portMapper keeps ports of the router that lead here.
type portMapper struct {
	net       network.Network
	log       *slog.Logger
	listening <-chan struct{} // closed when there is something to map
	wake      chan struct{}   // capacity 1: the network may be another one
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	wg        sync.WaitGroup

	mu   sync.Mutex
	upnp basichost.NATManager       // libp2p's; nil while NAT-PMP does
	pmp  map[portKey]netip.AddrPort // where the router has them
}

// portKey is a port that the host listens on.
type portKey struct {
	protocol string // "tcp" or "udp"
	port     int
}

var _ basichost.NATManager = (*portMapper)(nil)

func newPortMapper(net network.Network, listening <-chan struct{}, log *slog.Logger) *portMapper {
	m := &portMapper{net: net, log: log, listening: listening, wake: make(chan struct{}, 1)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.wg.Go(m.run)
	return m
}

// mapPorts is what makes libp2p's host tell others of mapped ports.
func (h *Host) mapPorts(net network.Network) basichost.NATManager {
	h.mapper = newPortMapper(net, h.listening, h.log)
	return h.mapper
}

// anew is told that the network may be another one.
func (m *portMapper) anew() { poke(m.wake) }

func (m *portMapper) run() {
	select {
	case <-m.listening:
	case <-m.ctx.Done():
	}
	for pause := mapFirst; m.ctx.Err() == nil; pause = min(2*pause, mapMost) {
		if m.byNATPMP() || m.byUPnP() {
			pause = mapSoon
		}
		m.log.Debug("no router here maps ports", "again_in", pause)
		if m.wait(pause) {
			pause = mapFirst / 2
		}
	}
}

// wait waits so long. It reports whether it was woken before.
func (m *portMapper) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.wake:
		return true
	case <-m.ctx.Done():
	}
	return false
}

// byUPnP has ports mapped until that works no more, or the network is another one. It reports whether it worked.
func (m *portMapper) byUPnP() (worked bool) {
	nat, at := basichost.NewNATManager(m.net), whereabouts()
	m.setUPnP(nat)
	defer func() {
		m.setUPnP(nil)
		m.wg.Go(func() { _ = nat.Close() }) // it says goodbye to the router, which may not be there any more
	}()
	for d := mapPatience; m.ctx.Err() == nil; d = mapLook {
		woken := m.wait(d)
		if woken && (at != whereabouts() || !worked) {
			m.anew()
			break
		}
		if len(m.mapped()) == 0 {
			break
		}
		worked = true
	}
	return worked
}

func (m *portMapper) setUPnP(nat basichost.NATManager) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.upnp = nat
}

// whereabouts tells one network from another: by which router packets leave, and from which address.
func whereabouts() string {
	gateway, from := way()
	return fmt.Sprint(gateway, from)
}

// way is the router by which packets leave for elsewhere, nil if there is none, and the address from which they do.
func way() (gateway, from net.IP) {
	r, err := netroute.New()
	if err != nil {
		return nil, nil
	}
	// Any address elsewhere will do; nothing is sent to it. This one means whoever maps ports (RFC 7723).
	_, gateway, from, err = r.Route(net.IPv4(192, 0, 0, 9))
	if err != nil {
		return nil, nil
	}
	return gateway, from
}

// ports are those that the host listens on at addresses others can reach.
func (m *portMapper) ports() []portKey {
	var out []portKey
	seen := map[portKey]bool{}
	for _, a := range m.net.ListenAddresses() {
		if k, _, ok := portOf(a); ok && !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

// portOf is the port of a listen address by IPv4, and what follows it.
func portOf(a ma.Multiaddr) (k portKey, rest ma.Multiaddr, ok bool) {
	if len(a) < 2 || a[0].Code() != ma.P_IP4 {
		return k, nil, false
	}
	if ip := net.IP(a[0].RawValue()); !ip.IsUnspecified() && !ip.IsGlobalUnicast() {
		return k, nil, false
	}
	switch a[1].Code() {
	case ma.P_TCP:
		k.protocol = "tcp"
	case ma.P_UDP:
		k.protocol = "udp"
	default:
		return k, nil, false
	}
	n, err := fmt.Sscan(a[1].Value(), &k.port)
	return k, a[2:], n == 1 && err == nil
}

// GetMapping implements basichost.NATManager.
func (m *portMapper) GetMapping(a ma.Multiaddr) ma.Multiaddr {
	k, rest, ok := portOf(a)
	m.mu.Lock()
	at, upnp := m.pmp[k], m.upnp
	m.mu.Unlock()
	if ok && at.IsValid() {
		out, err := ma.NewMultiaddr(fmt.Sprintf("/ip4/%s/%s/%d", at.Addr(), k.protocol, at.Port()))
		if err != nil {
			return nil
		}
		return append(out, rest...)
	}
	if upnp == nil {
		return nil
	}
	return upnp.GetMapping(a) // it may wait for the router
}

// mapped are the addresses outside that lead to this host's ports.
func (m *portMapper) mapped() (out []ma.Multiaddr) {
	if m == nil {
		return nil
	}
	for _, a := range m.net.ListenAddresses() {
		if at := m.GetMapping(a); at != nil {
			out = append(out, at)
		}
	}
	return ma.Unique(out)
}

// HasDiscoveredNAT implements basichost.NATManager.
func (m *portMapper) HasDiscoveredNAT() bool {
	m.mu.Lock()
	pmp, upnp := len(m.pmp), m.upnp
	m.mu.Unlock()
	return pmp > 0 || upnp != nil && upnp.HasDiscoveredNAT()
}

// Close implements io.Closer: the router is asked to lead nothing here any more.
func (m *portMapper) Close() error {
	m.cancel()
	ended := make(chan struct{})
	go func() { m.wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(mapGoodbye):
		m.log.Debug("the router that maps ports does not answer: left without a word")
	}
	return nil
}
