package p2p

import (
	"context"
	"io"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// A finder looks for peers until it is closed.
type finder interface{ io.Closer }

// startDiscovery starts the finder of the configured discovery, nil for none. A
// finder that cannot start is logged, not fatal: a host without multicast can still
// be reached by its address.
func (h *Host) startDiscovery() finder {
	if h.cfg.Discovery != DiscoveryLAN {
		return nil
	}
	svc := mdns.NewMdnsService(h.host, h.cfg.MDNSService, h)
	if err := svc.Start(); err != nil {
		h.log.Warn("mDNS not started: hosts on this network will not be found by themselves; name them in Static", "err", err)
	}
	return svc
}

// HandlePeerFound implements mdns.Notifee. It is called again for the same peer as
// long as that announces itself, so a lost link is dialled again without being kept.
func (h *Host) HandlePeerFound(info peer.AddrInfo) {
	if info.ID == h.id || h.connected(info.ID) {
		return
	}
	h.goRun(func() {
		ctx, cancel := context.WithTimeout(h.ctx, dialTimeout)
		defer cancel()
		if err := h.dial(ctx, info); err != nil {
			h.log.Debug("found peer not reached", "peer", info.ID, "err", err)
		}
	})
}
