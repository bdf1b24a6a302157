package p2p

import (
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// maxPeerTopics is how many topics of one peer are remembered.
const maxPeerTopics = 1024

// subscriptions bounds the topics that gossipsub remembers for each peer, which it
// would do without end. Topics that are not joined here count, too: they may be
// joined later, and peers do not announce theirs again then.
type subscriptions struct {
	mu    sync.RWMutex
	peers map[peer.ID]map[string]time.Time // since when
	news  chan struct{}                    // capacity 1: somebody has subscribed
}

var _ pubsub.SubscriptionFilter = (*subscriptions)(nil)

// CanSubscribe implements pubsub.SubscriptionFilter.
func (s *subscriptions) CanSubscribe(string) bool { return true }

// FilterIncomingSubscriptions implements pubsub.SubscriptionFilter.
func (s *subscriptions) FilterIncomingSubscriptions(p peer.ID, subs []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.peers[p]
	if have == nil {
		have = make(map[string]time.Time)
		s.peers[p] = have
	}
	kept := subs[:0]
	for _, sub := range subs {
		name := sub.GetTopicid()
		if !sub.GetSubscribe() {
			delete(have, name)
			kept = append(kept, sub)
			continue
		}
		if _, ok := have[name]; !ok && (len(have) >= maxPeerTopics || len(name) > maxTopicName) {
			continue
		}
		if _, ok := have[name]; !ok {
			poke(s.news)
			have[name] = time.Now()
		}
		kept = append(kept, sub)
	}
	return kept, nil
}

// forget is told that the peer's gossip stream has ended; gossipsub then forgets the
// peer's topics as well.
func (s *subscriptions) forget(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, p)
}

// since is when the peer subscribed to a topic, if it has.
func (s *subscriptions) since(p peer.ID, name string) (time.Time, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.peers[p][name]
	return at, ok
}

// in are the peers that have subscribed to a topic.
func (s *subscriptions) in(name string) (out []peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, topics := range s.peers {
		if _, ok := topics[name]; ok {
			out = append(out, p)
		}
	}
	return out
}
