package p2p

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
)

// How a connected peer is reached.
const (
	PathDirect  = "direct"
	PathRelayed = "relayed" // every connection goes through a relay
	PathPunched = "punched" // direct, through NATs on one or both sides, arranged through a relay
)

// punched remembers the peers to whom a hole was punched, until they are gone.
type punched struct {
	mu    sync.Mutex
	peers map[peer.ID]struct{}
}

var _ holepunch.EventTracer = (*punched)(nil)

// Trace implements holepunch.EventTracer.
func (t *punched) Trace(e *holepunch.Event) {
	if end, ok := e.Evt.(*holepunch.EndHolePunchEvt); ok && end.Success {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.peers == nil {
			t.peers = make(map[peer.ID]struct{})
		}
		t.peers[e.Remote] = struct{}{}
	}
}

func (t *punched) has(p peer.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.peers[p]
	return ok
}

// forget is told that there is no direct connection to the peer any more.
func (t *punched) forget(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.peers, p)
}
