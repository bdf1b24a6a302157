package p2p

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// lanQUICDelay is how long QUIC waits for TCP on private networks.
const lanQUICDelay = 30 * time.Millisecond

// relayDelay is how long relays wait for direct addresses (500 ms and more by default). A
// relayed connection that was quicker than a direct one is left for it soon.
const relayDelay = 200 * time.Millisecond

// rankDials says in which order a peer's addresses are dialled. libp2p prefers QUIC,
// which gets through NATs; on private networks there is none to get through, and TCP,
// whose work the kernel does, moves three to five times as much per processor.
func rankDials(addrs []ma.Multiaddr) []network.AddrDelay {
	var lanTCP, rest []ma.Multiaddr
	for _, a := range addrs {
		if _, err := a.ValueForProtocol(ma.P_TCP); err == nil && manet.IsPrivateAddr(a) && !isRelayed(a) {
			lanTCP = append(lanTCP, a)
		} else {
			rest = append(rest, a)
		}
	}
	ranked := swarm.DefaultDialRanker(rest)
	if len(lanTCP) > 0 {
		for i := range ranked {
			ranked[i].Delay += lanQUICDelay
		}
		ranked = append(swarm.DefaultDialRanker(lanTCP), ranked...)
	}
	for i, r := range ranked {
		if isRelayed(r.Addr) {
			ranked[i].Delay = min(r.Delay, relayDelay)
		}
	}
	return ranked
}
