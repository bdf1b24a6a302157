package main

import (
	"sync"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
)

// grafts follows which peers a node's gossipsub forwards the topic to. A message published before there are any goes
// nowhere and is not repeated, so the measurements wait for them.
type grafts struct {
	mu    sync.Mutex
	peers map[string]bool
}

var _ pubsub.EventTracer = (*grafts)(nil)

func newGrafts() *grafts { return &grafts{peers: make(map[string]bool)} }

func (g *grafts) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.peers)
}

// Trace is called by gossipsub for each of its events.
func (g *grafts) Trace(e *pb.TraceEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch e.GetType() {
	case pb.TraceEvent_GRAFT:
		g.peers[string(e.GetGraft().GetPeerID())] = true
	case pb.TraceEvent_PRUNE:
		delete(g.peers, string(e.GetPrune().GetPeerID()))
	}
}
