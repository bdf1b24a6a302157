package minikv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/minikv/minikv/replica"
)

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
	return synced || slices.Contains(r.link.now().topic.Peers(), string(p))
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
		if err == nil {
			return sum, nil
		}
		if end := r.mayGoOn(ctx); end != nil { // that is why
			return sum, end
		}
		switch {
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
