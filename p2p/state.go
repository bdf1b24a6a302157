package p2p

import (
	"net"
	"slices"

	ma "github.com/multiformats/go-multiaddr"
)

// State is what works of the ways to reach this host and to be reached by it, as far as
// it is known now. Addresses are multiaddrs without /p2p/ID.
type State struct {
	Discovery   Discovery
	Listening   []string // addresses with an open socket, as bound
	Addresses   []string // that others are told to dial
	Interfaces  []string // IP addresses of this machine that are neither loopback nor link-local
	MDNS        bool     // runs
	Mapped      []string // addresses outside that the router leads to this host, as it says
	Reachable   []string // addresses that AutoNAT found to be dialable from outside
	Unreachable []string // those it found not to be
	Observed    []string // where peers see this host come from, public addresses
	Symmetric   bool     // each peer sees it come from another port, so that no hole can be punched
	Relays      []string // addresses through relays that hold a reservation for this host
	RelayPeers  int      // connected peers that are relays
	Relay       RelayPolicy
	DHT         int // hosts of the DHT that are known; -1: there is none
	Named       int // peers that were named, in Static, Relays or by Connect
	NamedUp     int // of these, how many are connected
	Banned      int
	Puncher     bool // holes can be punched: a public address is known
}

// State returns what works now.
func (h *Host) State() State {
	s := State{
		Discovery: h.cfg.Discovery, Listening: texts(h.host.Network().ListenAddresses()), Addresses: texts(h.host.Addrs()), Interfaces: interfaceIPs(),
		MDNS: h.finder != nil && !h.mdnsFailed.Load(), Relays: texts(h.reserved.get()), RelayPeers: len(h.connectedRelays()),
		Relay: h.cfg.RelayService, DHT: -1, Banned: len(h.ledger.banned()), Observed: texts(h.reachable.seenAt()), Symmetric: h.reachable.isSymmetric(), Puncher: h.puncher.get() != nil,
	}
	s.Listening = slices.DeleteFunc(s.Listening, func(a string) bool { return a == circuit })
	s.Mapped = texts(h.mapper.mapped())
	s.Reachable, s.Unreachable = h.reachable.verdicts()
	if h.meeting != nil {
		s.DHT = h.meeting.known()
	}
	s.Named, s.NamedUp = h.redial.named()
	return s
}

func texts(addrs []ma.Multiaddr) []string {
	out := make([]string, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func interfaceIPs() []string {
	var out []string
	for s := range localIPs() {
		if ip := net.ParseIP(s); ip != nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// verdicts are what AutoNAT has found out.
func (r *reachable) verdicts() (yes, no []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return texts(r.verdict.Reachable), texts(r.verdict.Unreachable)
}

// named counts the kept peers that somebody named, and those of them that are connected.
func (r *redialer) named() (all, up int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		if k.limit == 0 {
			all++
			if r.h.link(k.id) != "" {
				up++
			}
		}
	}
	return all, up
}
