package p2p

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

// A lost peer is dialled at once, then after pauses that double from redialMin to
// redialMax, each shortened at random by up to half so that hosts that lost the
// same peer do not return in step.
const (
	redialMin   = 200 * time.Millisecond
	redialMax   = 3 * time.Second
	dialTimeout = 5 * time.Second
	// A connection that did not last this long does not reset the pauses.
	redialStable = 10 * time.Second
	// A peer that nobody named, but discovery found, is given up after this long.
	foundKept = 10 * time.Minute
	// One that has been away for redialPatience is dialled every redialRare.
	redialPatience = 5 * time.Minute
	redialRare     = time.Minute
	// A relayed connection that carried so many bytes is dialled again at once when its
	// relay ends it.
	relayUseful = 16 << 10
)

// protectTag keeps the connection manager from closing connections to named peers.
const protectTag = "minikv-named"

// parseStatic parses the static peers, merging addresses of one peer.
func parseStatic(field string, addrs []string) (map[peer.ID]*peer.AddrInfo, error) {
	out := make(map[peer.ID]*peer.AddrInfo)
	for _, s := range addrs {
		info, err := parsePeer(s)
		if err != nil {
			return nil, fmt.Errorf("%w in Config.%s", err, field)
		}
		if have := out[info.ID]; have != nil {
			have.Addrs = append(have.Addrs, info.Addrs...)
		} else {
			out[info.ID] = info
		}
	}
	return out, nil
}

// redialer keeps the host connected to the peers it was told of.
type redialer struct {
	h      *Host
	mu     sync.Mutex
	kept   map[peer.ID]*keptPeer
	unwant map[peer.ID]struct{} // told to disconnect from: not to be found again
}

type keptPeer struct {
	id     peer.ID
	begun  time.Time
	limit  time.Duration // given up after that long away; 0: never. Guarded by the redialer
	cancel context.CancelFunc
	lost   chan struct{} // capacity 1: the last connection, or the last direct one, is gone
	hurry  chan struct{} // capacity 1: dial now
}

func newRedialer(h *Host) *redialer {
	return &redialer{h: h, kept: make(map[peer.ID]*keptPeer), unwant: make(map[peer.ID]struct{})}
}

// keep remembers a named peer and dials it whenever it is not connected.
func (r *redialer) keep(info *peer.AddrInfo) {
	r.h.gate.name(info.ID, info.Addrs)
	r.h.host.ConnManager().Protect(info.ID, protectTag)
	r.keepFor(info.ID, 0)
}

// keepFor dials the peer whenever it is not connected, until it has been away for
// limit; 0 is for ever. A longer limit replaces a shorter one.
func (r *redialer) keepFor(p peer.ID, limit time.Duration) {
	if p == r.h.id {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit == 0 {
		delete(r.unwant, p)
	}
	if _, shunned := r.unwant[p]; shunned { // Disconnect came while it was being found
		return
	}
	if k := r.kept[p]; k != nil {
		if k.limit != 0 && (limit == 0 || limit > k.limit) {
			k.limit = limit
		}
		if limit == 0 {
			poke(k.hurry) // it may be dialled rarely by now, and somebody wants it
		}
		return
	}
	ctx, cancel := context.WithCancel(r.h.ctx)
	k := &keptPeer{id: p, begun: time.Now(), limit: limit, cancel: cancel, lost: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
	r.kept[p] = k
	if !r.h.goRun(func() { r.run(ctx, k) }) {
		cancel()
	}
}

func (r *redialer) keeps(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[p] != nil
}

// learnt counts the kept peers that nobody named.
func (r *redialer) learnt() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		if k.limit > 0 {
			n++
		}
	}
	return n
}

// room reports whether there is a place for one more peer that nobody named, and makes one where it can: anybody may tell of
// peers whom nobody can reach, so these must keep nobody out. For a connected member of a topic one goes who is not
// connected, best one who was only told of; for one who was told of, another such one who has been dialled in vain.
func (r *redialer) room(member bool) bool {
	if r.learnt() < r.h.cfg.Limits.Members {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out *keptPeer
	for _, k := range r.kept {
		toldOf := k.limit > 0 && k.limit < memberKept
		if k.limit == 0 || !member && (!toldOf || time.Since(k.begun) < dialTimeout) || r.h.link(k.id) != "" {
			continue
		}
		if out == nil || k.limit < out.limit || k.limit == out.limit && k.begun.Before(out.begun) {
			out = k
		}
	}
	if out == nil {
		return false
	}
	out.cancel()
	delete(r.kept, out.id)
	return true
}

// full reports whether there are as many connected peers that nobody named as there are places. Peers who are away do not count:
// of those there may be as many from other networks, and they keep nobody from being dialled.
func (r *redialer) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, k := range r.kept {
		if k.limit > 0 && r.h.link(k.id) != "" {
			n++
		}
	}
	return n >= r.h.cfg.Limits.Members
}

// shuns reports whether the host was told to disconnect from the peer.
func (r *redialer) shuns(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, yes := r.unwant[p]
	return yes
}

// drop forgets the peer, and does not let it be found again.
func (r *redialer) drop(p peer.ID) {
	r.shun(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.kept[p]; k != nil {
		k.cancel()
		delete(r.kept, p)
	}
	r.h.host.ConnManager().Unprotect(p, protectTag)
}

// shun has no connection to the peer made from here.
func (r *redialer) shun(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.unwant) < maxBook {
		r.unwant[p] = struct{}{}
	}
}

// want ends shun, and reports whether there was anything to end.
func (r *redialer) want(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, shunned := r.unwant[p]
	delete(r.unwant, p)
	return shunned
}

// forget removes k, unless another has taken its place.
func (r *redialer) forget(k *keptPeer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept[k.id] == k {
		delete(r.kept, k.id)
	}
}

func (r *redialer) limit(k *keptPeer) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return k.limit
}

// lost tells that the last connection to p, or the last direct one, is gone.
func (r *redialer) lost(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.kept[p]; k != nil {
		poke(k.lost)
	}
}

// hurry dials all peers that are away now.
func (r *redialer) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		poke(k.hurry)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (r *redialer) run(ctx context.Context, k *keptPeer) {
	defer k.cancel()
	pause, seen := redialMin, time.Now()
	var moved int64 // bytes exchanged with the peer before the last dial
	for ctx.Err() == nil {
		switch r.h.link(k.id) {
		case PathDirect:
			up := time.Now()
			select {
			case <-k.lost:
			case <-ctx.Done():
			}
			if seen = time.Now(); seen.Sub(up) >= redialStable {
				pause = redialMin
			}
			continue
		case PathRelayed:
			r.relayed(ctx, k)
			if r.moved(k.id)-moved > relayUseful {
				pause = redialMin
			}
			seen, moved = time.Now(), r.moved(k.id)
			continue
		}
		limit := r.limit(k)
		if limit > 0 && time.Since(seen) > limit {
			r.forget(k)
			return
		}
		if r.moved(k.id)-moved > relayUseful { // over a connection that came and went meanwhile
			pause, moved = redialMin, r.moved(k.id)
		}
		err := r.dial(ctx, k.id)
		if err != nil {
			r.h.log.Debug("peer not reached", "peer", k.id, "err", err)
		}
		if err != nil || pause > redialMin {
			if k.pause(ctx, pause) {
				pause = redialMin
				continue
			}
		}
		pause = min(2*pause, most(limit, time.Since(seen)))
	}
}

// most is how long the pauses may grow. Somebody wants a named peer; others may be gone
// for good.
func most(limit, away time.Duration) time.Duration {
	if limit == 0 || away < redialPatience {
		return redialMax
	}
	return redialRare
}

// pause waits about that long. It reports whether it was hurried.
func (k *keptPeer) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-k.hurry:
		return true
	case <-ctx.Done():
	}
	return false
}

// moved counts the bytes exchanged with the peer so far.
func (r *redialer) moved(p peer.ID) int64 {
	in, out := r.h.traffic.bytes(p)
	return in + out
}

// relayed waits while the peer is reached through a relay only, and tries now and then
// whether it can be reached directly by now.
func (r *redialer) relayed(ctx context.Context, k *keptPeer) {
	for pause := upgradeMin; ; pause = min(2*pause, upgradeMax) {
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-k.hurry:
		case <-k.lost:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil || r.h.link(k.id) != PathRelayed {
			return
		}
		r.h.goRun(func() { // it takes seconds to fail, in which the relayed connection may go
			if err := r.upgrade(ctx, k.id); err != nil {
				r.h.log.Debug("relayed peer not reached directly", "peer", k.id, "err", err)
			}
		})
	}
}

// upgrade tries to make a direct connection to a relayed peer.
func (r *redialer) upgrade(ctx context.Context, p peer.ID) error {
	if !r.h.gate.strict {
		return r.h.punch(p)
	}
	addrs := r.h.dialAddrs(p)
	if !hasDirectAddr(addrs) {
		return nil
	}
	ctx, cancel := context.WithTimeout(network.WithForceDirectDial(ctx, "upgrade"), dialTimeout)
	defer cancel()
	return r.h.dial(ctx, peer.AddrInfo{ID: p, Addrs: addrs})
}

func (r *redialer) dial(ctx context.Context, p peer.ID) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return r.h.dial(ctx, peer.AddrInfo{ID: p, Addrs: r.h.dialAddrs(p)})
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// dial connects to the peer unless it is connected, through a relay if need be. The
// swarm's own pauses after failed dials are overridden: they grow to minutes, and the
// redialer has its own.
func (h *Host) dial(ctx context.Context, info peer.AddrInfo) error {
	if s, ok := h.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(info.ID)
	}
	return h.host.Connect(network.WithAllowLimitedConn(ctx, "minikv"), info)
}
