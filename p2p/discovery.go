package p2p

import (
	"context"
	"io"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxFound bounds how many found peers are dialled at a time. Anyone on the network
// can announce any number of them; those left out announce themselves again.
const maxFound = 16

// A finder looks for peers until it is closed.
type finder interface{ io.Closer }

// startDiscovery starts the finder of the configured discovery, nil for none. A
// finder that cannot start is logged, not fatal: a host without multicast can still
// be reached by its address.
func (h *Host) startDiscovery() finder {
	if h.cfg.Discovery == DiscoveryNone {
		return nil
	}
	m := newMDNS(h)
	if err := m.start(); err != nil {
		h.log.Warn("mDNS not started: hosts on this network will not be found by themselves; name them instead (serve --peer, Config.Bootstrap)", "err", err)
	}
	h.mdns = m
	return m
}

// found dials the peers that a finder finds.
type found struct {
	h    *Host
	busy chan struct{}
}

func newFound(h *Host) found { return found{h, make(chan struct{}, maxFound)} }

// take dials a peer that was found, and then whenever it is lost, until it has been away
// for foundKept, if there is room for it by then. To be called on a goroutine of its own.
func (f found) take(info peer.AddrInfo, room func() bool) {
	if info.ID == f.h.id || f.h.redial.keeps(info.ID) || f.h.redial.shuns(info.ID) || !f.h.begin() {
		return
	}
	defer f.h.wg.Done()
	select {
	case f.busy <- struct{}{}:
		defer func() { <-f.busy }()
	default:
		return
	}
	ctx, cancel := context.WithTimeout(f.h.ctx, dialTimeout)
	defer cancel()
	if err := f.h.dial(ctx, info); err != nil {
		f.h.log.Debug("found peer not reached", "peer", info.ID, "err", err)
		return
	}
	f.h.book.found(info.ID, info.Addrs...)
	if room() {
		f.h.redial.keepFor(info.ID, foundKept)
	}
}
