package p2p

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"
)

// The Kademlia DHT brings members of a topic together who know no address of each other:
// each puts down its peer id under the hash of the topic's name, and looks who else has.
// It is one of minikv hosts alone, under a protocol of its own, or the public one of IPFS.
const (
	dhtPrefix protocol.ID = "/minikv"

	// While a topic has no members, the DHT is asked after pauses that grow from lookFirst
	// to lookMost; with members, every lookCalm. What was put down is renewed every
	// putEvery. After a change of network both is done at once.
	lookFirst, lookMost, lookCalm = 2 * time.Second, time.Minute, 10 * time.Minute
	putEvery                      = time.Hour
	lookTimeout                   = 30 * time.Second
)

// rendezvous finds members of topics in the DHT.
type rendezvous struct {
	h     *Host
	dht   *dht.IpfsDHT
	meet  *routing.RoutingDiscovery
	found found

	mu    sync.Mutex
	moved chan struct{} // closed when the network may be another one, and replaced
}

// startDHT joins the DHT. What cannot be reached of it now is tried again later.
func (h *Host) startDHT() (*rendezvous, error) {
	peers, err := parseStatic("DHTPeers", h.cfg.DHTPeers)
	if err != nil {
		return nil, err
	}
	opts := []dht.Option{dht.Mode(h.dhtMode())}
	if h.cfg.DHTPublic {
		boot := slices.Collect(values(peers))
		if len(boot) == 0 {
			boot = dht.GetDefaultBootstrapPeerAddrInfos()
		}
		opts = append(opts, dht.BootstrapPeers(boot...))
	} else {
		opts = append(opts, dht.ProtocolPrefix(dhtPrefix), dht.DisableValues(), dht.BootstrapPeers(slices.Collect(values(peers))...))
		for _, info := range peers {
			h.redial.keep(info)
		}
	}
	d, err := dht.New(h.ctx, h.host, opts...)
	if err != nil {
		return nil, fmt.Errorf("p2p: starting the DHT: %w", err)
	}
	if err := d.Bootstrap(h.ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: joining the DHT: %w", err), d.Close())
	}
	return &rendezvous{h: h, dht: d, meet: routing.NewRoutingDiscovery(d), found: newFound(h), moved: make(chan struct{})}, nil
}

// dhtMode is that of a server for hosts that others can dial: relays, and in a DHT of
// minikv hosts those that were given nobody to ask, who are there to be asked.
func (h *Host) dhtMode() dht.ModeOpt {
	if h.cfg.RelayService != RelayNobody || len(h.cfg.DHTPeers) == 0 && !h.cfg.DHTPublic {
		return dht.ModeServer
	}
	return dht.ModeClient
}

// known is how many hosts of the DHT this one knows.
func (r *rendezvous) known() int { return r.dht.RoutingTable().Size() }

// Close implements io.Closer.
func (r *rendezvous) Close() error { return r.dht.Close() }

// anew is told that the network may be another one: what was put down names addresses that are gone, and members may be, too.
func (r *rendezvous) anew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.moved)
	r.moved = make(chan struct{})
}

func (r *rendezvous) move() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved
}

// follow finds members of a topic until it is left.
func (r *rendezvous) follow(t *Topic) {
	pause, put := lookFirst, time.Time{}
	for t.ctx.Err() == nil {
		moved := r.move()
		if time.Since(put) > putEvery {
			if err := r.put(t); err != nil {
				r.h.log.Debug("not put down in the DHT", "topic", t.name, "err", err)
			} else {
				put = time.Now()
			}
		}
		if err := r.look(t); err != nil {
			r.h.log.Debug("the DHT was not asked", "topic", t.name, "err", err)
		}
		if len(t.members()) > 0 {
			calm(t, moved)
			pause = lookFirst
		} else {
			wait(t.ctx, moved, pause*3/4+rand.N(pause/2))
			pause = min(2*pause, lookMost)
		}
		select {
		case <-moved:
			pause, put = lookFirst, time.Time{}
		default:
		}
	}
}

// calm waits for about lookCalm, or until the topic is seen to have no members any more, at which it looks every lookMost.
func calm(t *Topic, moved <-chan struct{}) {
	until := time.Now().Add(lookCalm*3/4 + rand.N(lookCalm/2))
	for len(t.members()) > 0 && time.Now().Before(until) && wait(t.ctx, moved, lookMost) {
	}
}

// wait waits so long. It reports whether it was neither cancelled nor told of a move.
func wait(ctx context.Context, moved <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-moved:
	case <-ctx.Done():
	}
	return false
}

func (r *rendezvous) put(t *Topic) error {
	ctx, cancel := context.WithTimeout(t.ctx, lookTimeout)
	defer cancel()
	_, err := r.meet.Advertise(ctx, t.name)
	return err
}

// look dials those who have put themselves down under the topic.
func (r *rendezvous) look(t *Topic) error {
	ctx, cancel := context.WithTimeout(t.ctx, lookTimeout)
	defer cancel()
	infos, err := r.meet.FindPeers(ctx, t.name, discovery.Limit(max(1, r.h.cfg.Limits.Members)))
	if err != nil {
		return err
	}
	for info := range infos {
		if info.ID == r.h.id || r.h.link(info.ID) != "" || r.h.redial.keeps(info.ID) || r.h.redial.full() {
			continue
		}
		r.h.log.Debug("found in the DHT", "topic", t.name, "peer", info.ID, "addrs", info.Addrs)
		info = r.complete(ctx, info)
		// Should it turn out to be a member of a topic, it gets a place in any case.
		r.h.goRun(func() { r.found.take(info, func() bool { return r.h.redial.room(false) }) })
	}
	return ctx.Err()
}

// complete looks up the addresses of a peer that came without.
func (r *rendezvous) complete(ctx context.Context, info peer.AddrInfo) peer.AddrInfo {
	if len(info.Addrs) > 0 {
		return info
	}
	full, err := r.dht.FindPeer(ctx, info.ID)
	if err != nil {
		return info
	}
	return full
}
