// Package p2p carries bytes between peers: a libp2p host with QUIC and TCP,
// signed gossip by topic, and framed streams. It knows peers, topics and bytes,
// and nothing of what they mean.
//
// The usual path:
//
//	h, err := p2p.New(ctx, p2p.Config{Listen: []string{"/ip4/0.0.0.0/udp/4001/quic-v1"}})
//	h.Serve("/app/sync/1", func(s *p2p.Stream) { … })
//	t, err := h.JoinTopic("app/1", func(m p2p.Message) p2p.Verdict { …; return p2p.Accept })
//	err = t.Publish(ctx, data)
//
// # What it promises
//
//   - A message handed to a topic's handler was signed by Message.From for this
//     topic. No message reaches the handler twice within [SeenFor], nor comes
//     back to its author.
//   - A message is judged before it is relayed: what the handler rejects or
//     ignores goes no further from here.
//   - A frame is refused by its announced length before memory is spent on it,
//     and a frame that was announced and not sent costs at most one chunk.
//   - Peer events arrive in order, from one goroutine, and none is lost.
//
// Less formally: gossip is the quick way and may lose anything; a stream either
// delivers or fails with an error.
//
// # What it does not promise
//
// Delivery by gossip, its order, or that a message signed long ago is not
// replayed after [SeenFor]: whoever handles messages must be idempotent.
//
// # Who is contacted
//
// With [DiscoveryNone], the default, a host dials the addresses it was given in
// Config.Static, Config.Relays and Connect and no other: not the ones that peers
// advertise for themselves or for others. No multicast, port mapping, AutoNAT or DHT
// traffic is sent, and no hole is punched. [DiscoveryLAN] adds these but for the DHT,
// and addresses learnt from peers; [DiscoveryDHT] adds that.
//
// # Idle cost
//
// A connected peer costs about 90 KB per hour in each direction over TCP and 50 KB
// over QUIC, headers included: a ping each [Config.PingEvery] from either side and the
// transport's keep-alives. Gossip sends nothing while nothing is published. A named
// peer that is away is dialled about every 3 seconds.
package p2p
