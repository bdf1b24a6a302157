package p2p

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	manet "github.com/multiformats/go-multiaddr/net"
	mss "github.com/multiformats/go-multistream"
)

const (
	// lookEvery is how often the host looks whether its addresses have changed, or time
	// has passed that it was not awake.
	lookEvery = time.Second
	// sleptFor is for how long it must not have been awake to take connections for dead.
	sleptFor = 10 * time.Second
	// proofTimeout is what a connection has to prove that it is alive after that.
	proofTimeout = 2 * time.Second
	// settled is after how long libp2p, which looks every 5 s, tells others of new addresses.
	settled = 6 * time.Second
)

// watchNetwork notices that the machine has got other addresses, or has slept: then most
// connections are dead without knowing, and pauses between dials are from another time.
func (h *Host) watchNetwork() {
	had, before := localIPs(), time.Now()
	for {
		sleep(h.ctx, lookEvery)
		if h.ctx.Err() != nil {
			return
		}
		have, now := localIPs(), time.Now()
		slept := asleep(now.Round(0).Sub(before.Round(0)), now.Sub(before))
		switch {
		case !maps.Equal(had, have):
			h.log.Info("this machine's addresses have changed: connecting anew")
			h.Rouse()
		case slept > 0:
			h.log.Info("this machine has slept, or this process was stopped: connecting anew", "for", slept.Round(time.Second))
			h.Rouse()
		}
		had, before = have, now
	}
}

// asleep is for how long the machine or this process was not awake, of which the one clock saw so much time pass since the last look
// and the other so much. The monotonic one stands still while the machine sleeps; while the process alone is stopped, as in a frozen
// container, both go on.
func asleep(wall, monotonic time.Duration) time.Duration {
	if d := wall - monotonic; d > sleptFor {
		return d
	}
	if d := monotonic - lookEvery; d > sleptFor {
		return d
	}
	return 0
}

func localIPs() map[string]bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	out := make(map[string]bool, len(addrs))
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			out[n.IP.String()] = true
		}
	}
	return out
}

// Rouse makes the host connect anew after a change of the network: connections from
// addresses it has no more are closed, the others have 2 seconds to prove that they are
// alive, and peers that are away are dialled at once. The host does it by itself when it
// sees other addresses, or that the machine has slept.
func (h *Host) Rouse() {
	have := localIPs()
	h.punched.anew()
	h.vantage.anew()
	h.reachable.moved()
	var wg sync.WaitGroup
	for _, p := range h.host.Network().Peers() {
		wg.Add(1)
		if !h.goRun(func() { defer wg.Done(); h.prove(p, have) }) {
			wg.Done()
		}
	}
	h.redial.hurry()
	if h.mdns != nil {
		h.goRun(h.mdns.renew)
	}
	if h.mapper != nil {
		h.mapper.anew()
	}
	if h.meeting != nil {
		h.meeting.anew()
		h.goRun(func() {
			sleep(h.ctx, settled)
			h.meeting.anew()
		})
	}
	h.goRun(func() {
		wg.Wait()
		h.greetAll() // it may be reached elsewhere now
		sleep(h.ctx, proofTimeout)
		h.lookAgain()
	})
}

// prove closes those connections to p that are dead.
func (h *Host) prove(p peer.ID, have map[string]bool) {
	for _, c := range h.host.Network().ConnsToPeer(p) {
		ip, err := manet.ToIP(c.LocalMultiaddr())
		if err == nil && !isRelayed(c.RemoteMultiaddr()) && !ip.IsUnspecified() && len(have) > 0 && !have[ip.String()] {
			_ = c.Close()
			continue
		}
		h.goRun(func() { h.proveConn(c) })
	}
}

// proveOthers is told of a further connection to a peer: it may have come because those
// that are there are dead.
func (h *Host) proveOthers(fresh network.Conn) {
	for _, c := range h.host.Network().ConnsToPeer(fresh.RemotePeer()) {
		if c != fresh && !c.IsClosed() {
			h.goRun(func() { h.proveConn(c) })
		}
	}
}

// proveConn pings over a connection, and leaves the peer if there is no answer: not the
// one connection alone, for gossipsub forgets a peer's topics with the stream that it
// had over the dead one, and the peer does not tell them again over the living one.
// Only silence counts. A connection that ends is no secret, and a peer that refuses the
// ping, as it does when several come at once over as many connections, lives.
func (h *Host) proveConn(c network.Conn) {
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(h.ctx, "prove"), proofTimeout)
	defer cancel()
	if err := pingOver(ctx, c); isSilence(err) && h.ctx.Err() == nil && !c.IsClosed() {
		h.log.Debug("a connection is dead: leaving the peer, to connect anew", "peer", c.RemotePeer(), "at", c.RemoteMultiaddr(), "err", err)
		_ = h.host.Network().ClosePeer(c.RemotePeer())
	}
}

func isSilence(err error) bool {
	late, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && late.Timeout()
}

// pingOver sends a ping over one connection, where libp2p's own chooses one. What comes back is not looked at.
func pingOver(ctx context.Context, c network.Conn) error {
	s, err := c.NewStream(ctx)
	if err != nil {
		return err
	}
	defer s.Reset()
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if err := mss.SelectProtoOrFail(protocol.ID(ping.ID), s); err != nil {
		return err
	}
	bytes := make([]byte, ping.PingSize)
	if _, err := s.Write(bytes); err != nil {
		return err
	}
	_, err = io.ReadFull(s, bytes)
	return err
}
