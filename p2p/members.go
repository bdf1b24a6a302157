package p2p

import (
	"sort"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// watchPeers tells the feeds who joins and leaves the topic. It takes gossipsub's
// events at once, for that forgets a peer that left and joined in between.
func (t *Topic) watchPeers() {
	for {
		ev, err := t.events.NextPeerEvent(t.ctx)
		if err != nil {
			return
		}
		t.tell(ev.Peer, ev.Type == pubsub.PeerJoin)
		t.h.outflow.refresh()
	}
}

func (t *Topic) tell(p peer.ID, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, was := t.up[p]; was == up {
		return
	}
	if up {
		t.up[p] = struct{}{}
	} else {
		delete(t.up, p)
	}
	for _, f := range t.feeds {
		f.post(p.String(), up)
	}
}

// meshed notes whether others' messages are relayed to p.
func (t *Topic) meshed(p peer.ID, in bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in {
		t.mesh[p] = struct{}{}
	} else {
		delete(t.mesh, p)
	}
}

// OnPeer calls fn when a connected peer joins or leaves the topic: in order, from
// one goroutine of fn's own, peers that are in it already first; see Host.OnPeer.
// Notices end with Close.
func (t *Topic) OnPeer(fn func(id string, up bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	f := newFeed(fn)
	t.feeds = append(t.feeds, f)
	for p := range t.up {
		f.post(p.String(), true)
	}
}

// members are the peers in the topic.
func (t *Topic) members() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]peer.ID, 0, len(t.up))
	for p := range t.up {
		out = append(out, p)
	}
	return out
}

// Peers are the ids of the connected peers that are in the topic, ordered.
func (t *Topic) Peers() []string {
	members := t.members()
	out := make([]string, len(members))
	for i, p := range members {
		out[i] = t.h.names.of(p)
	}
	sort.Strings(out)
	return out
}
