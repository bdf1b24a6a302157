package p2p

import (
	"math"
	"net/netip"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
)

const (
	// maxPeersLow and maxPeersHigh are the connection manager's marks: above the
	// high one, idle connections to peers nobody named are closed down to the low.
	maxPeersLow, maxPeersHigh = 160, 192

	limitMemory = 1 << 30
	limitFDs    = 1024
)

// newResourceManager bounds what all remote peers together may cost. The limits
// are fixed, not scaled to the machine, so that a test sees what production sees:
// about 1 GiB of transport buffers, 240 connections, 1,024 file descriptors for the
// host; 8 connections, 256 inbound streams and 64 MiB of buffers per peer, and 64
// connections per IP address, for many hosts may share the address of one router.
func newResourceManager() (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	limits.PeerLimitIncrease = rcmgr.BaseLimitIncrease{}
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Scale(limitMemory, limitFDs)),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: 64}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: 64}, {PrefixLength: 48, ConnCount: 512}},
		),
		rcmgr.WithNetworkPrefixLimit(
			[]rcmgr.NetworkPrefixLimit{{Network: netip.MustParsePrefix("127.0.0.0/8"), ConnCount: math.MaxInt}},
			[]rcmgr.NetworkPrefixLimit{{Network: netip.MustParsePrefix("::1/128"), ConnCount: math.MaxInt}},
		),
		rcmgr.WithMetricsDisabled(),
	)
}
