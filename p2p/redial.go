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
	cancel context.CancelFunc
	lost   chan struct{} // capacity 1: the last connection is gone
}

func newRedialer(h *Host) *redialer {
	return &redialer{h: h, kept: make(map[peer.ID]*keptPeer)}
}

// keep remembers the peer and dials it whenever it is not connected.
func (r *redialer) keep(info *peer.AddrInfo) {
	if info.ID == r.h.id {
		return
	}
	r.h.gate.name(info.ID, info.Addrs)
	r.h.host.ConnManager().Protect(info.ID, protectTag)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept[info.ID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.h.ctx)
	k := &keptPeer{cancel: cancel, lost: make(chan struct{}, 1)}
	if !r.h.goRun(func() { r.run(ctx, info.ID, k) }) {
		cancel()
		return
	}
	r.kept[info.ID] = k
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

func (r *redialer) run(ctx context.Context, p peer.ID, k *keptPeer) {
	pause := redialMin
	for ctx.Err() == nil {
		if r.h.connected(p) {
			up := time.Now()
			select {
			case <-k.lost:
			case <-ctx.Done():
			}
			if time.Since(up) >= redialStable {
				pause = redialMin
			}
			continue
		}
		dctx, cancel := context.WithTimeout(ctx, dialTimeout)
		err := r.h.dial(dctx, peer.AddrInfo{ID: p, Addrs: r.h.gate.addrs(p)})
		cancel()
		if err != nil {
			r.h.log.Debug("peer not reached", "peer", p, "err", err)
		}
		if err != nil || pause > redialMin {
			sleep(ctx, pause/2+rand.N(pause/2))
		}
		pause = min(2*pause, redialMax)
	}
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
