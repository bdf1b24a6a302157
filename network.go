package minikv

import (
	"context"
	"errors"
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
		Bans: n.keptBans(), KeepBans: n.keepBans(),
		ProveFirst: true, Now: n.cfg.Clock, MaxStreams: streamsPerPeer, StreamIdle: streamIdle, Delay: n.turns.delay, Logger: n.cfg.Logger,
	})
	if err != nil {
		return err
	}
	n.host = host
	host.Serve(syncProtocol, n.accept)
	return nil
}

const (
	// firstLimit bounds the first frame of an exchange in bytes: a hello, or one in a handshake.
	firstLimit = 1 << 10
	// firstPatience bounds the wait for it, and for the answer to a handshake.
	firstPatience = 10 * time.Second
)

// accept answers an exchange that a peer opened: its first frame says of which registry.
func (n *Node) accept(s *p2p.Stream) {
	defer s.Close()
	s.SetDeadline(time.Now().Add(firstPatience))
	data, err := s.ReadFrame(firstLimit)
	if err != nil {
		if errors.Is(err, p2p.ErrFrameTooLarge) || errors.Is(err, p2p.ErrFrame) {
			n.turnDown(s, RefusedMessage, pointsMessage, err.Error())
		}
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
		n.cfg.Logger.Debug("a peer opened an exchange with a hello that cannot be read", "peer", s.Peer(), "err", err)
		points := float64(pointsMessage)
		if errors.Is(err, replica.ErrVersion) {
			points = pointsVersion
		}
		n.turnDown(s, RefusedMessage, points, err.Error())
		return
	case !ok:
		n.turnDown(s, RefusedMessage, pointsMessage, "an exchange begins with a hello")
		return
	}
	n.mu.RLock()
	r := n.byID[hello.Registry]
	n.mu.RUnlock()
	if r == nil || !r.link.begin() {
		n.turnDown(s, RefusedStranger, pointsStranger, "this node has not opened the registry")
		return
	}
	defer r.link.end()
	r.link.now().answer(s, payer{peer: PeerID(s.Peer())}, func(x *exchange) error {
		x.step(func() { x.handle(hello) })
		return nil
	})
}

// turnDown ends an exchange whose first frame no registry takes, and counts it.
func (n *Node) turnDown(s *p2p.Stream, kind string, points float64, why string) {
	refuse(s, why)
	n.host.Refuse(s.Peer(), kind, 1, points)
}

// maxAnswer is how many bytes a peer that has shown no proof is answered, for each that it sent.
const maxAnswer = 4

// refuse tells a peer why there is no exchange, as far as it has sent enough to be told so much.
func refuse(s *p2p.Stream, why string) {
	in, _ := s.Bytes()
	const head = 2 // of a frame of this length, at most
	for room := maxAnswer*in - head; ; {
		data, err := replica.EncodeFrame(nil, refusal(why))
		over := int64(len(data)) - room
		switch {
		case err != nil || over > int64(len(why)):
			return
		case over <= 0:
			_ = s.WriteFrame(data) // the peer learns it from the closed stream otherwise
			return
		}
		why = why[:int64(len(why))-over]
	}
}

// refusal ends an exchange.
func refusal(why string) *replica.Finish {
	return &replica.Finish{State: replica.Failed, Why: strings.ToValidUTF8(why[:min(len(why), maxWhy)], "")}
}

// maxWhy is the longest reason in bytes that peers accept.
const maxWhy = 200
