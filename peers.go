package minikv

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/minikv/minikv/p2p"
)

// PeerInfo is what a node knows of a peer at the moment.
type PeerInfo struct {
	ID         PeerID
	Addrs      []string      // multiaddrs its connections lead to
	Connected  bool          // false for a peer that was here before
	Transport  string        // "tcp", "quic" …
	Relayed    bool          // reached through another peer
	Inbound    bool          // it dialled
	RTT        time.Duration // zero: not measured yet
	Since      time.Time     // of the connection
	Registries []string      // open here and joined by the peer, ascending
	LastSync   time.Time     // last exchange verified equal; zero: none
	ClockSkew  time.Duration // how far its clock is ahead of this node's, as last seen; negative: behind
	Refused    uint64        // the sum of Refusals

	Path        PeerPath          // "" when not connected
	Limited     bool              // relayed, by a relay that bounds bytes and time: no gossip, exchanges in pieces
	BytesIn     int64             // received from it, since the node was opened; without headers of the transport
	BytesOut    int64             // sent to it
	Score       float64           // 0 is a good one, and it only sinks: with refusals, and while the peer is too slow
	Refusals    map[string]uint64 // what was refused of it since the node was opened, by kind: see RefusedSkew and the others. Not nil
	BannedUntil time.Time         // turned away until then for what was refused of it; zero: not
}

// PeerPath is how a connected peer is reached.
type PeerPath string

// Paths to a peer.
const (
	PathDirect  PeerPath = p2p.PathDirect
	PathRelayed PeerPath = p2p.PathRelayed // through another peer
	PathPunched PeerPath = p2p.PathPunched // direct, through NATs, arranged through a relay
)

// Kinds of refusals in [PeerInfo].Refusals. There may be others.
const (
	RefusedSkew      = "skew"              // entries with a stamp too far ahead
	RefusedBounds    = "bounds"            // entries over the limits
	RefusedForged    = "forged"            // entries under another peer's name
	RefusedMalformed = "malformed"         // entries that no node writes
	RefusedFull      = "full"              // entries for which there was no room
	RefusedMessage   = "message"           // messages and frames that cannot be read
	RefusedStranger  = "stranger"          // exchanges opened without membership of an open registry
	RefusedEnvelope  = p2p.RefusedEnvelope // gossip that is badly signed or wrapped
	RefusedStreams   = p2p.RefusedStreams  // more exchanges at a time than a peer may have
	RefusedFrames    = p2p.RefusedFrames   // large frames that took too long to come
	RefusedIgnored   = p2p.RefusedIgnored  // gossip unread, of a peer with too low a score
)

// Connect dials a peer at a multiaddr that ends in /p2p/<peer id>, and returns its id once the connection
// is authenticated. Registries in common exchange by themselves from then on, and a lost connection is
// dialled again until [Node.Disconnect]. [ErrOffline] when the node has no network.
func (n *Node) Connect(ctx context.Context, addr string) (PeerID, error) {
	id, err := n.dial(ctx, addr)
	if err != nil {
		return "", &Error{Op: "connect", Err: err}
	}
	return id, nil
}

func (n *Node) dial(ctx context.Context, addr string) (PeerID, error) {
	if err := n.checkOnline(ctx); err != nil {
		return "", err
	}
	id, err := n.host.Connect(ctx, addr)
	return PeerID(id), err
}

// checkOnline returns why the node cannot reach anyone.
func (n *Node) checkOnline(ctx context.Context) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	switch {
	case n.closed:
		return ErrClosed
	case n.host == nil:
		return ErrOffline
	}
	return nil
}

// Disconnect cuts the connection to a peer and does not dial it again, even if it is one of
// [Config].Bootstrap; the peer may dial this node. [ErrNoPeer] when it is not connected.
func (n *Node) Disconnect(ctx context.Context, p PeerID) error {
	if err := n.disconnect(ctx, p); err != nil {
		return &Error{Op: "disconnect", Peer: p, Err: err}
	}
	return nil
}

func (n *Node) disconnect(ctx context.Context, p PeerID) error {
	if err := n.checkOnline(ctx); err != nil {
		return err
	}
	if err := checkPeer(p); err != nil {
		return err
	}
	connected := slices.ContainsFunc(n.host.Peers(), func(q p2p.Peer) bool { return q.ID == string(p) })
	if err := n.host.Disconnect(string(p)); err != nil {
		return err
	}
	if !connected {
		return ErrNoPeer
	}
	return nil
}

// Peers returns the peers that are connected, those that shared a registry since it was opened, and those that
// are banned, by ascending ID.
func (n *Node) Peers() []PeerInfo {
	open, err := n.open(context.Background())
	if err != nil || n.host == nil {
		return nil
	}
	byID := map[PeerID]*PeerInfo{}
	for _, p := range n.host.Peers() {
		byID[PeerID(p.ID)] = &PeerInfo{
			ID: PeerID(p.ID), Addrs: p.Addrs, Connected: true, Transport: p.Transport, Relayed: p.Relayed, Inbound: p.Inbound, RTT: p.RTT, Since: p.Since,
			Path: PeerPath(p.Path), Limited: p.Limited, Score: p.Score,
		}
	}
	for _, id := range n.host.Banned() {
		if byID[PeerID(id)] == nil {
			byID[PeerID(id)] = &PeerInfo{ID: PeerID(id)}
		}
	}
	for _, r := range open {
		r.describePeers(byID)
	}
	out := make([]PeerInfo, 0, len(byID))
	for _, p := range byID {
		n.describeConduct(p)
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b PeerInfo) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// describeConduct adds what the network remembers of a peer, connected or not.
func (n *Node) describeConduct(p *PeerInfo) {
	c := n.host.Conduct(string(p.ID))
	p.BytesIn, p.BytesOut = n.host.Bytes(string(p.ID))
	p.Score -= c.Points
	p.BannedUntil = c.BannedUntil
	if p.Refusals = c.Refusals; p.Refusals == nil {
		p.Refusals = map[string]uint64{}
	}
	for _, k := range p.Refusals {
		p.Refused += k
	}
}

// describePeers adds what a registry knows.
func (r *Registry) describePeers(byID map[PeerID]*PeerInfo) {
	joined := r.link.now().topic.Peers()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for id, p := range r.peers {
		info := byID[id]
		if info == nil {
			info = &PeerInfo{ID: id}
			byID[id] = info
		}
		if p.seen.After(info.LastSync) || info.ClockSkew == 0 {
			info.ClockSkew = p.skew
		}
		if p.synced.After(info.LastSync) {
			info.LastSync = p.synced
		}
	}
	for _, id := range joined {
		if info := byID[PeerID(id)]; info != nil {
			info.Registries = append(info.Registries, r.name)
		}
	}
}
