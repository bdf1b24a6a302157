package p2p

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// memberKept is how long a peer that shared a topic is dialled while it is away.
	memberKept = 24 * time.Hour
	// rememberEvery is how often Config.Remember is called at most.
	rememberEvery = 10 * time.Second
	eventBuffer   = 256
)

// watchEvents follows what libp2p finds out about peers and about this host.
func (h *Host) watchEvents() error {
	sub, err := h.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted), new(event.EvtAutoRelayAddrsUpdated), new(event.EvtHostReachableAddrsChanged),
	}, eventbus.Name("minikv"), eventbus.BufSize(eventBuffer))
	if err != nil {
		return err
	}
	h.goRun(func() {
		defer sub.Close()
		for {
			select {
			case e, ok := <-sub.Out():
				if !ok {
					return
				}
				h.handleEvent(e)
			case <-h.ctx.Done():
				return
			}
		}
	})
	return nil
}

func (h *Host) handleEvent(e any) {
	switch e := e.(type) {
	case event.EvtPeerIdentificationCompleted:
		h.identified(e)
	case event.EvtAutoRelayAddrsUpdated:
		h.reserved.set(e.RelayAddrs)
		h.greetAll() // others may want to know
	case event.EvtHostReachableAddrsChanged:
		h.reachable.set(e)
	}
}

// identified is told of each connection, once the peer has said who it is.
func (h *Host) identified(e event.EvtPeerIdentificationCompleted) {
	dialled := e.Conn.Stat().Direction == network.DirOutbound
	// Who has dialled sees the address that it has dialled, which the router may lead here for all: that
	// says nothing of where this host comes out.
	if local := e.Conn.LocalMultiaddr(); dialled && e.ObservedAddr != nil && !isRelayed(e.Conn.RemoteMultiaddr()) {
		if h.listensAt(local) {
			h.reachable.observe(e.Peer, e.ObservedAddr, e.Conn)
			h.startPunching()
		}
		if !e.ObservedAddr.Equal(local) { // a router stands between
			h.lookFrom(e.Peer, e.ObservedAddr)
		}
	}
	limited := e.Conn.Stat().Limited
	if h.gate.strict && !limited {
		return
	}
	if !h.gate.strict {
		if e.SignedPeerRecord != nil {
			if data, err := e.SignedPeerRecord.Marshal(); err == nil {
				_, _, _ = h.book.learn(data) // what is wrong with it is not known then
			}
		}
		if at := e.Conn.RemoteMultiaddr(); dialled && !isRelayed(at) {
			h.book.found(e.Peer, at)
		}
	}
	if !h.gate.strict && h.isMember(e.Peer) {
		h.noteMember(e.Peer) // gossip may have said so before its addresses were known
	}
	// One of the two begins: the one that dialled.
	if dialled && h.greets(e.Peer) {
		h.greeter.greet(e.Peer)
	}
}

// meet dials a member of a topic that somebody told of, unless there are enough. A dial
// under way takes new addresses up.
func (h *Host) meet(p peer.ID, news bool) {
	if h.link(p) != "" || h.redial.shuns(p) {
		return
	}
	if h.redial.keeps(p) {
		if news {
			h.goRun(func() { _ = h.redial.dial(h.ctx, p) }) // the redialer tells of failures
		}
		return
	}
	if h.redial.room(false) {
		h.redial.keepFor(p, foundKept)
	}
}

// noteMember is told that p shares a topic.
func (h *Host) noteMember(p peer.ID) {
	if h.gate.strict {
		return
	}
	h.book.shares(p)
	if !h.redial.shuns(p) && len(h.book.addrs(p)) > 0 && (h.redial.keeps(p) || h.redial.room(true)) {
		h.redial.keepFor(p, memberKept)
	}
	if h.cfg.Remember != nil { // also when it is no news: its addresses may be
		select {
		case h.remembering <- struct{}{}:
		default:
		}
	}
}

// remember hands the known members to Config.Remember after a change, now and then, and
// at the end.
func (h *Host) remember() {
	var last []string
	tell := func() bool {
		all := h.book.remembered()
		if len(all) == 0 || slices.Equal(all, last) {
			return false
		}
		last = all
		h.cfg.Remember(all)
		return true
	}
	tick := time.NewTicker(rememberEvery * 6)
	defer tick.Stop()
	for {
		select {
		case <-h.remembering:
			if tell() { // a member without addresses yet must not hold up the news of them
				sleep(h.ctx, rememberEvery)
			}
		case <-tick.C:
			tell()
		case <-h.ctx.Done():
			tell()
			return
		}
	}
}

// recall dials those whom an earlier run remembered.
func (h *Host) recall(known []string) {
	if h.gate.strict {
		return
	}
	for n, s := range known {
		info, err := parsePeer(s)
		if err != nil || info.ID == h.id {
			continue
		}
		h.book.recalled(info.ID, n, info.Addrs...)
		if h.redial.learnt() < h.cfg.Limits.Members {
			h.redial.keepFor(info.ID, memberKept)
		}
	}
}

// dialAddrs are the addresses at which p may be dialled.
func (h *Host) dialAddrs(p peer.ID) []ma.Multiaddr {
	named := h.gate.addrs(p)
	if h.gate.strict {
		return named
	}
	return ma.Unique(append(named, h.book.addrs(p)...))
}
