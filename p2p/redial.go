package p2p

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

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
)

// protectTag keeps the connection manager from closing connections to named peers.
const protectTag = "minikv-named"

// parseStatic parses the static peers, merging addresses of one peer.
func parseStatic(addrs []string) (map[peer.ID]*peer.AddrInfo, error) {
	out := make(map[peer.ID]*peer.AddrInfo)
	for _, s := range addrs {
		info, err := parsePeer(s)
		if err != nil {
			return nil, fmt.Errorf("%w in Config.Static", err)
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
	h    *Host
	mu   sync.Mutex
	kept map[peer.ID]*keptPeer
}

type keptPeer struct {
	id     peer.ID
	limit  time.Duration // given up after that long away; 0: never
	cancel context.CancelFunc
	lost   chan struct{} // capacity 1: the last connection is gone
}

func newRedialer(h *Host) *redialer {
	return &redialer{h: h, kept: make(map[peer.ID]*keptPeer)}
}

// keep remembers a named peer and dials it whenever it is not connected.
func (r *redialer) keep(info *peer.AddrInfo) {
	r.h.gate.name(info.ID, info.Addrs)
	r.h.host.ConnManager().Protect(info.ID, protectTag)
	r.keepFor(info, 0)
}

// keepFor dials the peer whenever it is not connected, until it has been away for
// limit.
func (r *redialer) keepFor(info *peer.AddrInfo, limit time.Duration) {
	if info.ID == r.h.id {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.kept[info.ID]; k != nil {
		if k.limit == 0 || limit > 0 {
			return
		}
		k.cancel() // found before, named now
	}
	ctx, cancel := context.WithCancel(r.h.ctx)
	k := &keptPeer{id: info.ID, limit: limit, cancel: cancel, lost: make(chan struct{}, 1)}
	r.kept[info.ID] = k
	if !r.h.goRun(func() { r.run(ctx, k) }) {
		cancel()
	}
}

func (r *redialer) keeps(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[p] != nil
}

// drop forgets the peer.
func (r *redialer) drop(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.kept[p]; k != nil {
		k.cancel()
		delete(r.kept, p)
	}
	r.h.host.ConnManager().Unprotect(p, protectTag)
}

// forget removes k, unless another has taken its place.
func (r *redialer) forget(k *keptPeer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept[k.id] == k {
		delete(r.kept, k.id)
	}
}

// lost tells that the last connection to p is gone.
func (r *redialer) lost(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.kept[p]; k != nil {
		select {
		case k.lost <- struct{}{}:
		default:
		}
	}
}

func (r *redialer) run(ctx context.Context, k *keptPeer) {
	defer k.cancel()
	pause, seen := redialMin, time.Now()
	for ctx.Err() == nil {
		if r.h.connected(k.id) {
			up := time.Now()
			select {
			case <-k.lost:
			case <-ctx.Done():
			}
			if seen = time.Now(); seen.Sub(up) >= redialStable {
				pause = redialMin
			}
			continue
		}
		if k.limit > 0 && time.Since(seen) > k.limit {
			r.forget(k)
			return
		}
		err := r.dial(ctx, k.id)
		if err != nil {
			r.h.log.Debug("peer not reached", "peer", k.id, "err", err)
		}
		if err != nil || pause > redialMin {
			sleep(ctx, pause/2+rand.N(pause/2))
		}
		pause = min(2*pause, redialMax)
	}
}

func (r *redialer) dial(ctx context.Context, p peer.ID) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return r.h.dial(ctx, peer.AddrInfo{ID: p, Addrs: r.h.gate.addrs(p)})
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// dial connects to the peer unless it is connected. The swarm's own pauses after
// failed dials are overridden: they grow to minutes, and the redialer has its own.
func (h *Host) dial(ctx context.Context, info peer.AddrInfo) error {
	if s, ok := h.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(info.ID)
	}
	return h.host.Connect(ctx, info)
}
