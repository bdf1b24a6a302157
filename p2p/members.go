package p2p

import (
	"sort"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
)

// watchPeers tells the feeds who joins and leaves the topic. It takes gossipsub's
// events at once, for that forgets a peer that left and joined in between.
func (t *Topic) watchPeers() {
	for {
		ev, err := t.events.NextPeerEvent(t.ctx)
		if err != nil {
			return
		}
		t.tell(ev.Peer.String(), ev.Type == pubsub.PeerJoin)
	}
}

func (t *Topic) tell(id string, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.up[id] == up {
		return
	}
	if up {
		t.up[id] = true
	} else {
		delete(t.up, id)
	}
	for _, f := range t.feeds {
		f.post(id, up)
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
	for id := range t.up {
		f.post(id, true)
	}
}

// Peers are the ids of the connected peers that are in the topic, ordered.
func (t *Topic) Peers() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.up))
	for id := range t.up {
		out = append(out, id)
	}
	sort.Strings(out)
	return out
}
