package minikv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
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
	Refused    uint64        // entries and messages of it that were refused
}

// SyncStats is what one exchange, or all exchanges with a peer in one call, did. Entries are counted on
// this node's side.
type SyncStats struct {
	Sent, Received, Refused int // entries
	Dropped                 int // entries removed here because the peer knew that they were deleted
	BytesOut, BytesIn       int64
	Rounds                  int // round trips
	Took                    time.Duration
}

func (s *SyncStats) add(t SyncStats) {
	s.Sent += t.Sent
	s.Received += t.Received
	s.Refused += t.Refused
	s.Dropped += t.Dropped
	s.BytesOut += t.BytesOut
	s.BytesIn += t.BytesIn
	s.Rounds += t.Rounds
	s.Took += t.Took
}

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

// Peers returns the peers that are connected, and those that shared a registry since it was opened, by
// ascending ID.
func (n *Node) Peers() []PeerInfo {
	open, err := n.open(context.Background())
	if err != nil || n.host == nil {
		return nil
	}
	byID := map[PeerID]*PeerInfo{}
	for _, p := range n.host.Peers() {
		byID[PeerID(p.ID)] = &PeerInfo{
			ID: PeerID(p.ID), Addrs: p.Addrs, Connected: true, Transport: p.Transport, Relayed: p.Relayed, Inbound: p.Inbound, RTT: p.RTT, Since: p.Since,
		}
	}
	for _, r := range open {
		r.describePeers(byID)
	}
	out := make([]PeerInfo, 0, len(byID))
	for _, p := range byID {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b PeerInfo) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// describePeers adds what a registry knows.
func (r *Registry) describePeers(byID map[PeerID]*PeerInfo) {
	joined := r.link.topic.Peers()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for id, p := range r.peers {
		info := byID[id]
		if info == nil {
			info = &PeerInfo{ID: id}
			byID[id] = info
		}
		info.Refused += p.refused
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

// SyncPeer exchanges every registry in common with a connected peer now, and returns when both have been
// verified equal as of that exchange. Nodes do this by themselves; use it to know that it has happened.
// [ErrNoPeer] when the peer is not connected or shares no registry, [ErrSync] when an exchange failed.
func (n *Node) SyncPeer(ctx context.Context, p PeerID) (SyncStats, error) {
	stats, in, err := n.syncPeer(ctx, p)
	if err != nil {
		return stats, &Error{Op: "sync", Registry: in, Peer: p, Err: translate(err)}
	}
	return stats, nil
}

// syncPeer returns with an error also the registry that it is about, if it is about one.
func (n *Node) syncPeer(ctx context.Context, p PeerID) (sum SyncStats, in string, err error) {
	if err := n.checkOnline(ctx); err != nil {
		return sum, "", err
	}
	if err := checkPeer(p); err != nil {
		return sum, "", err
	}
	open, err := n.open(ctx)
	if err != nil {
		return sum, "", err
	}
	shared := false
	for _, r := range open {
		if !r.isSharedBy(p) {
			continue
		}
		shared = true
		stats, err := r.syncPeer(ctx, p)
		sum.add(stats)
		if err != nil {
			return sum, r.name, err
		}
	}
	if !shared {
		return sum, "", detailf(ErrNoPeer, "the peer is not connected, or shares no registry that is open here")
	}
	return sum, "", nil
}

// SyncPeer is [Node.SyncPeer] for one registry.
func (r *Registry) SyncPeer(ctx context.Context, p PeerID) (SyncStats, error) {
	var stats SyncStats
	err := r.checkSync(ctx, p)
	if err == nil {
		stats, err = r.syncPeer(ctx, p)
	}
	if err != nil {
		return stats, &Error{Op: "sync", Registry: r.name, Peer: p, Err: translate(err)}
	}
	return stats, nil
}

func (r *Registry) checkSync(ctx context.Context, p PeerID) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case r.err != nil:
		return r.err
	case r.link == nil:
		return ErrOffline
	}
	return checkPeer(p)
}

// isSharedBy says whether a peer has joined the registry, or has already exchanged it: it may have heard of
// this node before this node heard of it.
func (r *Registry) isSharedBy(p PeerID) bool {
	r.mu.RLock()
	record := r.peers[p]
	synced := record != nil && !record.synced.IsZero()
	r.mu.RUnlock()
	return synced || slices.Contains(r.link.topic.Peers(), string(p))
}

// syncTries is how often SyncPeer repeats an exchange that ended unequal without an error, as two at once
// may.
const syncTries = 3

func (r *Registry) syncPeer(ctx context.Context, p PeerID) (sum SyncStats, err error) {
	if !r.link.begin() {
		return sum, ErrClosed
	}
	defer r.link.end()
	for range syncTries {
		var stats SyncStats
		stats, err = r.link.exchange(ctx, p)
		sum.add(stats)
		switch {
		case err == nil:
			return sum, nil
		case ctx.Err() != nil:
			return sum, ctx.Err()
		case errors.Is(err, ErrNoPeer):
			return sum, detailf(ErrNoPeer, "the peer is not connected; see Connect")
		case !r.isSharedBy(p):
			return sum, detailf(ErrNoPeer, "the peer has not joined the registry: %v", err)
		case !errors.Is(err, replica.ErrUnverified):
			return sum, fmt.Errorf("%w: %w", ErrSync, err)
		}
	}
	return sum, fmt.Errorf("%w: %w", ErrSync, err)
}

// WaitSynced waits until every registry open at the time of the call has completed a verified exchange,
// since it was opened, with at least that many peers.
func (n *Node) WaitSynced(ctx context.Context, peers int) error {
	err := n.checkOnline(ctx)
	var open []*Registry
	if err == nil {
		open, err = n.open(ctx)
	}
	for _, r := range open {
		if err == nil {
			err = r.waitSynced(ctx, peers)
		}
	}
	if err != nil {
		return &Error{Op: "wait", Err: err}
	}
	return nil
}

// WaitSynced is [Node.WaitSynced] for one registry.
func (r *Registry) WaitSynced(ctx context.Context, peers int) error {
	err := checkContext(ctx)
	if err == nil {
		err = r.waitSynced(ctx, peers)
	}
	return r.wrap("wait", "", err)
}

func (r *Registry) waitSynced(ctx context.Context, peers int) error {
	for {
		synced, news, err := r.syncedPeers()
		if err != nil || synced >= peers {
			return err
		}
		select {
		case <-news:
		case <-r.done:
		case <-ctx.Done():
			return fmt.Errorf("synced with %d of %d peers: %w", synced, peers, ctx.Err())
		}
	}
}

// syncedPeers counts the peers synced with so far; news is closed when there is another exchange.
func (r *Registry) syncedPeers() (n int, news <-chan struct{}, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case r.err != nil:
		return 0, nil, r.err
	case r.link == nil:
		return 0, nil, ErrOffline
	}
	for _, p := range r.peers {
		if !p.synced.IsZero() {
			n++
		}
	}
	return n, r.syncNews, nil
}

// peerRecord is what a registry keeps of a peer.
type peerRecord struct {
	synced  time.Time     // last verified exchange
	seen    time.Time     // when skew was
	skew    time.Duration // of its clock against this one's
	refused uint64
}

// maxPeerRecords bounds what strangers can make a registry remember.
const maxPeerRecords = 4096

// peer returns the record of a peer. The registry is locked.
func (r *Registry) peer(id PeerID) *peerRecord {
	p := r.peers[id]
	if p == nil {
		if len(r.peers) >= maxPeerRecords {
			return new(peerRecord)
		}
		p = new(peerRecord)
		r.peers[id] = p
	}
	return p
}

func (r *Registry) countRefused(id PeerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.refused++
	r.peer(id).refused++
}

// noteSkew notes how far a peer's clock is ahead of this node's.
func (r *Registry) noteSkew(id PeerID, clock hlc.Timestamp, at replica.Instant) {
	r.mu.Lock()
	p := r.peer(id)
	p.seen, p.skew = at.Wall, clock.Time().Sub(at.Wall).Round(time.Millisecond)
	behind, known := r.peersBehind(), len(r.peers)
	warn := 2*behind > known && (r.warned == 0 || at.Mono-r.warned > warnEvery)
	if warn {
		r.warned = at.Mono
	}
	r.mu.Unlock()
	if warn {
		r.node.cfg.Logger.Warn("this node's clock is ahead of most of its peers; they will refuse what it writes if it runs further ahead: set it right",
			"registry", r.name, "behind", behind, "peers", known, "most", r.node.cfg.MaxClockSkew)
	}
}

// warnEvery is the least time between two warnings of one kind.
const warnEvery = 10 * time.Minute

// peersBehind counts the peers whose clock is so far behind this node's that what it writes is about to be
// refused. The registry is locked.
func (r *Registry) peersBehind() (n int) {
	for _, p := range r.peers {
		if p.skew < -r.node.cfg.MaxClockSkew/2 {
			n++
		}
	}
	return n
}

func (r *Registry) noteExchange(id PeerID, s SyncStats, verified bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.syncBytesIn += s.BytesIn
	r.counts.syncBytesOut += s.BytesOut
	p := r.peer(id)
	p.refused += uint64(s.Refused)
	if verified {
		p.synced = r.node.cfg.Clock()
		r.counts.lastSync = p.synced
		close(r.syncNews)
		r.syncNews = make(chan struct{})
	}
	r.scheduleTick(r.node.instant())
}
