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
		if ev.Type == pubsub.PeerJoin {
			t.h.noteMember(ev.Peer)
		}
		t.h.outflow.refresh()
	}
}

// tell notes what gossip says of p. Of one that was reached over a limited connection so
// far, the feeds are told that it went and came: there is more to be had of it now.
func (t *Topic) tell(p peer.ID, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, was := t.up[p]
	_, limited := t.limited[p]
	if was == up {
		return
	}
	if up {
		t.up[p] = struct{}{}
	} else {
		delete(t.up, p)
	}
	t.heard.Store(len(t.up) > 0)
	if limited {
		t.post(p, false)
	}
	if up || limited {
		t.post(p, true)
	} else {
		t.post(p, false)
	}
}

// tellLimited notes that p, over a limited connection, said to be in the topic, or that
// it is no more.
func (t *Topic) tellLimited(p peer.ID, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, gossips := t.up[p]
	if _, was := t.limited[p]; was == up || up && t.ctx.Err() != nil {
		return
	}
	if up {
		t.limited[p] = struct{}{}
	} else {
		delete(t.limited, p)
	}
	if !gossips {
		t.post(p, up)
	}
}

// post tells the feeds. The caller holds mu.
func (t *Topic) post(p peer.ID, up bool) {
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
	for _, p := range t.all() {
		f.post(p.String(), true)
	}
}

// gossipers are the peers in the topic that gossip reaches.
func (t *Topic) gossipers() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]peer.ID, 0, len(t.up))
	for p := range t.up {
		out = append(out, p)
	}
	return out
}

// members are the peers in the topic.
func (t *Topic) members() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all()
}

// all are the members. The caller holds mu.
func (t *Topic) all() []peer.ID {
	out := make([]peer.ID, 0, len(t.up)+len(t.limited))
	for p := range t.up {
		out = append(out, p)
	}
	for p := range t.limited {
		if _, too := t.up[p]; !too {
			out = append(out, p)
		}
	}
	return out
}

// Peers are the ids of the connected peers that are in the topic, ordered.
func (t *Topic) Peers() []string { return t.namesOf(t.members()) }

// HasGossip says whether gossip reaches any of Peers. It costs no more than a look.
func (t *Topic) HasGossip() bool { return t.heard.Load() }

// Limited are those of Peers to whom there are only limited connections: gossip does not
// reach them, streams do.
func (t *Topic) Limited() []string {
	t.mu.Lock()
	var out []peer.ID
	for p := range t.limited {
		if _, too := t.up[p]; !too {
			out = append(out, p)
		}
	}
	t.mu.Unlock()
	return t.namesOf(out)
}

func (t *Topic) namesOf(peers []peer.ID) []string {
	out := make([]string, len(peers))
	for i, p := range peers {
		out[i] = t.h.names.of(p)
	}
	sort.Strings(out)
	return out
}

// isMember reports whether p is in a topic that is joined.
func (h *Host) isMember(p peer.ID) (in bool) {
	h.topics.Range(func(_, v any) bool {
		t := v.(*Topic)
		t.mu.Lock()
		defer t.mu.Unlock()
		_, gossips := t.up[p]
		_, limited := t.limited[p]
		in = gossips || limited
		return !in
	})
	return in
}

// unlimited is told that no limited connection to p is left.
func (h *Host) unlimited(p peer.ID) {
	for _, c := range h.host.Network().ConnsToPeer(p) {
		if c.Stat().Limited {
			return // there is a new one
		}
	}
	h.topics.Range(func(_, t any) bool {
		t.(*Topic).tellLimited(p, false)
		return true
	})
}
