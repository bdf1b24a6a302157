package minikv

import (
	"context"
	"time"
)

// PeerInfo is what a node knows of a peer at the moment.
type PeerInfo struct {
	ID         PeerID
	Addrs      []string      // multiaddrs
	Connected  bool          // false for a peer that was here before
	Transport  string        // "tcp", "quic" …
	Relayed    bool          // reached through another peer
	RTT        time.Duration // zero: not measured yet
	Since      time.Time     // of the connection
	Registries []string      // shared with this node and joined by the peer, ascending
	LastSync   time.Time     // last exchange verified equal; zero: none
	ClockSkew  time.Duration // how far its clock is ahead of this node's, as last seen; negative: behind
	Refused    uint64        // entries and messages of it that were refused
}

// SyncStats is what one exchange did. Entries are counted on this node's side.
type SyncStats struct {
	Sent, Received, Refused int // entries
	Dropped                 int // entries removed here because the peer knew that they were deleted
	BytesOut, BytesIn       int64
	Rounds                  int // round trips
	Took                    time.Duration
}

// Connect dials a peer at a multiaddr that ends in /p2p/<peer id>, and returns its id once the connection is authenticated. Registries in common
// exchange by themselves from then on. [ErrOffline] when the node has no network.
func (n *Node) Connect(ctx context.Context, addr string) (PeerID, error) { return "", errPending }

// Disconnect cuts the connection to a peer. Peers in [Config].Bootstrap, those that discovery finds, and a peer that dials in are connected again.
// [ErrNoPeer] when it is not connected.
func (n *Node) Disconnect(ctx context.Context, p PeerID) error { return errPending }

// Peers returns the peers that are connected, and those that shared a registry before, by ascending ID.
func (n *Node) Peers() []PeerInfo { return nil }

// SyncPeer exchanges every registry in common with a connected peer now, and returns when both have been verified equal as of that exchange.
// Nodes do this by themselves; use it to know that it has happened. [ErrNoPeer] when the peer is not connected, [ErrSync] when an exchange failed.
func (n *Node) SyncPeer(ctx context.Context, p PeerID) (SyncStats, error) {
	return SyncStats{}, errPending
}

// WaitSynced waits until every registry open at the time of the call has completed a verified exchange, since it was opened, with at least
// that many peers.
func (n *Node) WaitSynced(ctx context.Context, peers int) error { return errPending }

// SyncPeer is [Node.SyncPeer] for one registry.
func (r *Registry) SyncPeer(ctx context.Context, p PeerID) (SyncStats, error) {
	return SyncStats{}, errPending
}

// WaitSynced is [Node.WaitSynced] for one registry.
func (r *Registry) WaitSynced(ctx context.Context, peers int) error { return errPending }
