package minikv

import (
	"context"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"

	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
)

const (
	// syncProtocol is the stream protocol of an exchange of one registry.
	syncProtocol = "/minikv/1"
	// streamsPerPeer bounds the exchanges that one peer may have under way with this node, over all
	// registries.
	streamsPerPeer = 64
	// streamIdle is how long a peer may stall in an exchange.
	streamIdle = 20 * time.Second
)

var relayPolicies = map[RelayPolicy]p2p.RelayPolicy{RelayNobody: p2p.RelayNobody, RelayMembers: p2p.RelayMembers, RelayAnyone: p2p.RelayAnyone}

// connect starts the node's network.
func (n *Node) connect(ctx context.Context, key crypto.PrivKey) error {
	discovery := map[Discovery]p2p.Discovery{DiscoveryNone: p2p.DiscoveryNone, DiscoveryLAN: p2p.DiscoveryLAN, DiscoveryDHT: p2p.DiscoveryDHT}[n.cfg.Discovery]
	host, err := p2p.New(ctx, p2p.Config{
		Identity: key, Listen: n.cfg.Listen, Static: n.cfg.Bootstrap, Discovery: discovery, Relays: n.cfg.Relays, RelayService: relayPolicies[n.cfg.RelayService],
		Limits: n.cfg.limits(), PingEvery: profiles[n.cfg.Profile].pingEvery, KeepAlive: profiles[n.cfg.Profile].keepAlive, Heartbeat: profiles[n.cfg.Profile].heartbeat,
		DHTPeers: n.cfg.DHTPeers, DHTPublic: n.cfg.DHTPublic, Known: n.knownPeers(), Remember: n.rememberPeers(),
		MaxStreams: streamsPerPeer, StreamIdle: streamIdle, Logger: n.cfg.Logger,
	})
	if err != nil {
		return err
	}
	n.host = host
	host.Serve(syncProtocol, n.accept)
	return nil
}

// firstLimit bounds the first frame of an exchange in bytes: a hello, or one in a handshake.
const firstLimit = 1 << 10

// accept answers an exchange that a peer opened: its first frame says of which registry.
func (n *Node) accept(s *p2p.Stream) {
	defer s.Close()
	data, err := s.ReadFrame(firstLimit)
	if err != nil {
		return
	}
	if len(data) > 0 && data[0] == seal.OpenType {
		n.acceptSealed(s, data)
		return
	}
	frame, err := replica.DecodeFrame(data)
	hello, ok := frame.(*replica.Hello)
	switch {
	case err != nil:
		n.cfg.Logger.Warn("a peer opened an exchange with a hello that cannot be read", "peer", s.Peer(), "err", err)
		refuse(s, err.Error())
		return
	case !ok:
		refuse(s, "an exchange begins with a hello")
		return
	}
	n.mu.RLock()
	r := n.byID[hello.Registry]
	n.mu.RUnlock()
	if r == nil || !r.link.begin() {
		refuse(s, "this node has not opened the registry")
		return
	}
	defer r.link.end()
	r.link.now().answer(s, func(x *exchange) error {
		x.handle(hello)
		return nil
	})
}

// refuse tells a peer why there is no exchange.
func refuse(s *p2p.Stream, why string) {
	data, err := replica.EncodeFrame(nil, refusal(why))
	if err == nil {
		_ = s.WriteFrame(data) // the peer learns it from the closed stream otherwise
	}
}

// refusal ends an exchange.
func refusal(why string) *replica.Finish {
	return &replica.Finish{State: replica.Failed, Why: strings.ToValidUTF8(why[:min(len(why), maxWhy)], "")}
}

// maxWhy is the longest reason in bytes that peers accept.
const maxWhy = 200
