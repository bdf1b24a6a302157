package p2p

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
)

// RelayPolicy says for whom a host is a relay.
type RelayPolicy uint8

const (
	// RelayNobody: the host is no relay.
	RelayNobody RelayPolicy = iota
	// RelayMembers: for peers that share a topic with this host, with no limit on bytes
	// and time of a connection, so that it carries gossip as well.
	RelayMembers
	// RelayAnyone: for all who ask, with the limits that are usual for public relays:
	// 128 KiB and 2 minutes a connection.
	RelayAnyone
)

func (p RelayPolicy) String() string {
	switch p {
	case RelayNobody:
		return "nobody"
	case RelayMembers:
		return "members"
	case RelayAnyone:
		return "anyone"
	}
	return fmt.Sprintf("RelayPolicy(%d)", uint8(p))
}

const (
	// wantRelays is with how many relays a host that may be unreachable keeps a
	// reservation.
	wantRelays = 2
	// A relay that refused or went away is asked again after relayBackoff; candidates are
	// looked for every relayEvery while there are too few.
	relayBackoff = 2 * time.Second
	relayEvery   = 2 * time.Second

	// What a relay holds for others at most. Several hosts may share the address of one
	// router; a connection costs two buffers of 2 KiB.
	relayReservations = 128
	relayPerIP        = 32
	relayCircuits     = 16

	// memberPatience is how long a relay for members waits for a peer to say that it is
	// one, looking every memberLook.
	memberPatience = 2 * time.Second
	memberLook     = 20 * time.Millisecond
)

// reach returns the options for being reached from outside: as client of relays, by
// punched holes, as a relay. With DiscoveryNone, relays are used only if they were
// named, and no hole is punched, for that sends packets to addresses nobody named.
func (h *Host) reach(cfg Config, relays []peer.AddrInfo) []libp2p.Option {
	var opts []libp2p.Option
	strict := cfg.Discovery == DiscoveryNone
	if strict && len(relays) == 0 && cfg.RelayService == RelayNobody && !namesCircuit(cfg.Static) {
		opts = append(opts, libp2p.DisableRelay())
	} else {
		opts = append(opts, libp2p.EnableRelay())
	}
	if strict {
		opts = append(opts, libp2p.DisableIdentifyAddressDiscovery())
	} else {
		opts = append(opts, libp2p.NATManager(h.mapPorts), libp2p.EnableAutoNATv2())
	}
	if cfg.RelayService != RelayNobody {
		return append(opts, libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(h.relayService(cfg.RelayService)...))
	}
	// Stated, not asked of others by AutoNAT 1: whoever may be unreachable wants a relay,
	// and AutoNAT 2 finds out of each address whether it can be dialled.
	opts = append(opts, libp2p.ForceReachabilityPrivate())
	if strict && len(relays) == 0 {
		return opts
	}
	return append(opts, libp2p.EnableAutoRelayWithPeerSource(h.relayCandidates(relays),
		autorelay.WithNumRelays(max(wantRelays, min(len(relays), 2*wantRelays))), autorelay.WithMinCandidates(1),
		autorelay.WithBootDelay(0), autorelay.WithBackoff(relayBackoff), autorelay.WithMinInterval(relayEvery)))
}

func namesCircuit(addrs []string) bool {
	return slices.ContainsFunc(addrs, func(a string) bool {
		m, err := ma.NewMultiaddr(a)
		return err == nil && isRelayed(m)
	})
}

func (h *Host) relayService(policy RelayPolicy) []relay.Option {
	r := relay.DefaultResources()
	r.MaxReservations, r.MaxReservationsPerIP, r.MaxReservationsPerASN, r.MaxCircuits = relayReservations, relayPerIP, relayReservations, relayCircuits
	if policy == RelayAnyone {
		return []relay.Option{relay.WithResources(r)}
	}
	r.Limit = nil
	return []relay.Option{relay.WithResources(r), relay.WithACL((*memberACL)(h))}
}

// memberACL lets those use the relay who share a topic with the host.
type memberACL Host

var _ relay.ACLFilter = (*memberACL)(nil)

// AllowReserve implements relay.ACLFilter. Whoever asks at once upon connecting may not
// have said yet which topics it is in.
func (a *memberACL) AllowReserve(p peer.ID, _ ma.Multiaddr) bool {
	h := (*Host)(a)
	for begun := time.Now(); !h.isMember(p); sleep(h.ctx, memberLook) {
		if time.Since(begun) > memberPatience || h.ctx.Err() != nil {
			return false
		}
	}
	return true
}

// AllowConnect implements relay.ACLFilter.
func (a *memberACL) AllowConnect(src peer.ID, _ ma.Multiaddr, dest peer.ID) bool {
	return (*Host)(a).isMember(src) && (*Host)(a).isMember(dest)
}

// relayCandidates offers AutoRelay the named relays and, unless only named peers are to
// be used, connected peers that are relays.
func (h *Host) relayCandidates(named []peer.AddrInfo) autorelay.PeerSource {
	return func(ctx context.Context, most int) <-chan peer.AddrInfo {
		out := make(chan peer.AddrInfo, most)
		go func() {
			defer close(out)
			// Before the host listens, it would dial from another port than it listens on,
			// and what relays see of it would be of no use to others.
			select {
			case <-h.listening:
			case <-ctx.Done():
				return
			}
			found := slices.Clone(named)
			if !h.gate.strict {
				found = append(found, h.connectedRelays()...)
			}
			for _, info := range found[:min(len(found), most)] {
				out <- info
			}
		}()
		return out
	}
}

func (h *Host) connectedRelays() (out []peer.AddrInfo) {
	for _, p := range h.host.Network().Peers() {
		if protos, err := h.host.Peerstore().SupportsProtocols(p, proto.ProtoIDv2Hop); err == nil && len(protos) > 0 {
			out = append(out, peer.AddrInfo{ID: p})
		}
	}
	return out
}

// reservations knows the addresses that relays hold for this host.
type reservations struct {
	addrs atomic.Pointer[[]ma.Multiaddr]
}

func (r *reservations) set(addrs []ma.Multiaddr) { r.addrs.Store(&addrs) }

func (r *reservations) get() []ma.Multiaddr {
	if a := r.addrs.Load(); a != nil {
		return *a
	}
	return nil
}
