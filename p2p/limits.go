package p2p

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// Limits bounds what all peers together may cost a host.
type Limits struct {
	// Conns is above how many connections idle ones, to peers nobody named, are closed,
	// down to five sixths. Half as many again are let in for a moment. At least 8.
	Conns int
	// Members is with how many peers that were neither named nor found on the local
	// network the host connects by itself. At most half of Conns.
	Members int
	// Memory bounds the buffers of transports in bytes. At least 16 MiB.
	Memory int64
	// FDs bounds the file descriptors of connections. At least 16.
	FDs int
}

// Limits for usual machines, for small ones, and for servers that many peers use.
var (
	LimitsDefault = Limits{Conns: 192, Members: 32, Memory: 1 << 30, FDs: 1024}
	LimitsEdge    = Limits{Conns: 24, Members: 8, Memory: 64 << 20, FDs: 128}
	LimitsServer  = Limits{Conns: 1024, Members: 64, Memory: 2 << 30, FDs: 8192}
)

func (l *Limits) fill() error {
	def(&l.Conns, LimitsDefault.Conns)
	def(&l.Members, min(LimitsDefault.Members, l.Conns/2))
	def(&l.Memory, LimitsDefault.Memory)
	def(&l.FDs, LimitsDefault.FDs)
	switch {
	case l.Conns < 8:
		return fmt.Errorf("p2p: Limits.Conns %d: must be at least 8", l.Conns)
	case l.Members < 0 || l.Members > l.Conns/2:
		return fmt.Errorf("p2p: Limits.Members %d: must be at most half of Conns, which are %d", l.Members, l.Conns)
	case l.Memory < 16<<20:
		return fmt.Errorf("p2p: Limits.Memory %d: must be at least 16 MiB", l.Memory)
	case l.FDs < 16:
		return fmt.Errorf("p2p: Limits.FDs %d: must be at least 16", l.FDs)
	}
	return nil
}

// connRate bounds the connections from and to one address. By default it is one in 5 s
// after 16, dials included, and those through a relay count for the relay's address: too
// few for redialling a peer, and by far for exchanges in pieces over a limited relay.
var connRate = rate.Limit{RPS: 10, Burst: 64}

// newResourceManager bounds what all remote peers together may cost. The limits
// are fixed, not scaled to the machine, so that a test sees what production sees. With
// LimitsDefault: about 1 GiB of transport buffers, 240 connections, 1,024 file descriptors
// for the host; 8 connections, 256 inbound streams and 64 MiB of buffers per peer, and 64
// connections per IP address, for many hosts may share the address of one router.
func newResourceManager(l Limits) (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	limits.PeerLimitIncrease = rcmgr.BaseLimitIncrease{}
	scaled := limits.Scale(l.Memory, l.FDs).ToPartialLimitConfig()
	conns := rcmgr.LimitVal(l.Conns + l.Conns/2)
	scaled.System.Conns, scaled.System.ConnsInbound, scaled.System.ConnsOutbound = conns, conns, conns
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(scaled.Build(limits.Scale(l.Memory, l.FDs))),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: 64}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: 64}, {PrefixLength: 48, ConnCount: 512}},
		),
		rcmgr.WithNetworkPrefixLimit(
			[]rcmgr.NetworkPrefixLimit{{Network: netip.MustParsePrefix("127.0.0.0/8"), ConnCount: math.MaxInt}},
			[]rcmgr.NetworkPrefixLimit{{Network: netip.MustParsePrefix("::1/128"), ConnCount: math.MaxInt}},
		),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: connRate}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: connRate}, {PrefixLength: 48, Limit: rate.Limit{RPS: 4 * connRate.RPS, Burst: 4 * connRate.Burst}}},
				GracePeriod:      time.Minute,
			},
		}),
		rcmgr.WithMetricsDisabled(),
	)
}
