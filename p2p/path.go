package p2p

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// How a connected peer is reached.
const (
	PathDirect  = "direct"
	PathRelayed = "relayed" // every connection goes through a relay
	PathPunched = "punched" // direct, through NATs on one or both sides, arranged through a relay
)

const circuit = "/p2p-circuit"

func (h *Host) path(p peer.ID, relayed bool) string {
	switch {
	case relayed:
		return PathRelayed
	case h.punched.has(p):
		return PathPunched
	}
	return PathDirect
}

// link is how p is connected now: PathDirect, PathRelayed or, if it is not, "".
func (h *Host) link(p peer.ID) string {
	path := ""
	for _, c := range h.host.Network().ConnsToPeer(p) {
		if c.IsClosed() {
			continue
		}
		if !isRelayed(c.RemoteMultiaddr()) {
			return PathDirect
		}
		path = PathRelayed
	}
	return path
}

// better reports whether to describe a peer by connection a rather than b: the direct
// one, else the older.
func better(a, b network.Conn) bool {
	if ra, rb := isRelayed(a.RemoteMultiaddr()), isRelayed(b.RemoteMultiaddr()); ra != rb {
		return rb
	}
	return a.Stat().Opened.Before(b.Stat().Opened)
}

func hasDirect(conns map[network.Conn]struct{}) bool {
	for c := range conns {
		if !isRelayed(c.RemoteMultiaddr()) {
			return true
		}
	}
	return false
}

func hasInbound(conns map[network.Conn]struct{}) bool {
	for c := range conns {
		if c.Stat().Direction == network.DirInbound {
			return true
		}
	}
	return false
}

func hasLimited(conns map[network.Conn]struct{}) bool {
	for c := range conns {
		if c.Stat().Limited {
			return true
		}
	}
	return false
}

func isRelayed(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

func hasDirectAddr(addrs []ma.Multiaddr) bool {
	return slices.ContainsFunc(addrs, func(a ma.Multiaddr) bool { return !isRelayed(a) })
}
