package p2p

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// gate turns banned peers away. A strict one, that of DiscoveryNone, also lets the host
// dial only addresses that somebody named: libp2p would try those that a peer advertises
// for itself as well, and so could be made to send packets anywhere.
type gate struct {
	strict bool
	ledger *ledger
	mu     sync.RWMutex
	named  map[peer.ID][]ma.Multiaddr
}

// name allows dialling p at addrs.
func (g *gate) name(p peer.ID, addrs []ma.Multiaddr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.named == nil {
		g.named = make(map[peer.ID][]ma.Multiaddr)
	}
	g.named[p] = ma.Unique(append(g.named[p], addrs...))
	for _, a := range addrs { // who names an address through a relay names the relay
		if relay := relayOf(a); relay != nil {
			g.named[relay.ID] = ma.Unique(append(g.named[relay.ID], relay.Addrs...))
		}
	}
}

// relayOf is the relay that an address leads through, nil if it leads through none or
// does not say how to reach it.
func relayOf(a ma.Multiaddr) *peer.AddrInfo {
	before, circuit := ma.SplitFunc(a, func(c ma.Component) bool { return c.Protocol().Code == ma.P_CIRCUIT })
	if circuit == nil || len(before) < 2 {
		return nil
	}
	info, err := peer.AddrInfoFromP2pAddr(before)
	if err != nil {
		return nil
	}
	return info
}

func (g *gate) forget(p peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.named, p)
}

func (g *gate) addrs(p peer.ID) []ma.Multiaddr {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return append([]ma.Multiaddr(nil), g.named[p]...)
}

// InterceptPeerDial implements connmgr.ConnectionGater.
func (g *gate) InterceptPeerDial(p peer.ID) bool {
	if !g.ledger.admits(p, nil) {
		return false
	}
	if !g.strict {
		return true
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.named[p]) > 0
}

// InterceptAddrDial implements connmgr.ConnectionGater. It sees addresses with
// their DNS names resolved, so a peer named by DNS may be dialled at any address.
func (g *gate) InterceptAddrDial(p peer.ID, a ma.Multiaddr) bool {
	if !g.strict {
		return true
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, n := range g.named[p] {
		if n.Equal(a) || isDNS(n) {
			return true
		}
	}
	return false
}

func isDNS(a ma.Multiaddr) bool {
	if len(a) == 0 {
		return false
	}
	switch a[0].Protocol().Code {
	case ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_DNSADDR:
		return true
	}
	return false
}

// InterceptAccept implements connmgr.ConnectionGater.
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements connmgr.ConnectionGater.
// A peer that somebody named answers for itself alone, not for others at its address.
func (g *gate) InterceptSecured(_ network.Direction, p peer.ID, at network.ConnMultiaddrs) bool {
	if len(g.addrs(p)) > 0 {
		return g.ledger.admits(p, nil)
	}
	return g.ledger.admits(p, at.RemoteMultiaddr())
}

// InterceptUpgraded implements connmgr.ConnectionGater.
func (g *gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
