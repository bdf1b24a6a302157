package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	pb "github.com/libp2p/go-libp2p/p2p/protocol/identify/pb"
	"github.com/libp2p/go-msgio/pbio"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	mss "github.com/multiformats/go-multistream"
)

// A hole is punched with one transport, from where a router has both sides come out with it.
// The swarm is connected to a peer by one: of two hosts, one of which has dialled the relay
// over TCP and the other one over QUIC, each knows one of its two places, not the same one,
// and no hole can be punched. So a host asks the first public peers that it meets for its
// place with each other transport, over a connection that is there for that alone. Two
// peers are asked, to tell a router that draws another port for each destination.

const (
	// vantageTimeout ends such a question.
	vantageTimeout = 5 * time.Second
	// enoughViews is by how many peers a host wants to be seen with a transport.
	enoughViews = 2
	// vantageTries is how many peers are asked about a transport, until the network changes.
	vantageTries = 4
	// maxIdentify bounds a part of what a peer says of itself and of this host, in bytes,
	// and maxIdentifyParts their number; libp2p's own are the same.
	maxIdentify, maxIdentifyParts = 8 << 10, 10
)

// medium is a transport over a version of IP.
type medium struct{ ip, transport int }

// mediumOf returns the medium of an address, if holes are punched with it.
func mediumOf(a ma.Multiaddr) (medium, bool) {
	if len(a) < 2 || isRelayed(a) {
		return medium{}, false
	}
	ip := a[0].Code()
	switch {
	case ip != ma.P_IP4 && ip != ma.P_IP6:
	case len(a) == 2 && a[1].Code() == ma.P_TCP:
		return medium{ip, ma.P_TCP}, true
	case len(a) == 3 && a[1].Code() == ma.P_UDP && a[2].Code() == ma.P_QUIC_V1:
		return medium{ip, ma.P_QUIC_V1}, true
	}
	return medium{}, false
}

// vantage counts the peers that were asked about a medium.
type vantage struct {
	mu    sync.Mutex
	tries map[medium]int
}

// try reports whether one more may be asked, and counts it.
func (v *vantage) try(m medium) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tries == nil {
		v.tries = make(map[medium]int)
	}
	v.tries[m]++
	return v.tries[m] <= vantageTries
}

// anew forgets who was asked: the network is another one.
func (v *vantage) anew() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.tries)
}

// lookFrom asks a peer, which sees this host come from a public address that is not its own,
// where it comes out with the transports with which few have seen it yet.
func (h *Host) lookFrom(p peer.ID, at ma.Multiaddr) {
	if h.gate.strict || !manet.IsPublicAddr(at) {
		return
	}
	var asked []medium
	for _, a := range h.host.Peerstore().Addrs(p) {
		m, ok := mediumOf(a)
		views, seen := h.reachable.viewers(m, p)
		if !ok || seen || views >= enoughViews || slices.Contains(asked, m) || !manet.IsPublicAddr(a) || !h.listensOn(m) || !h.vantage.try(m) {
			continue
		}
		asked = append(asked, m)
		h.goRun(func() {
			if err := h.askOver(p, a); err != nil {
				h.log.Debug("a peer was not asked where this host comes out", "peer", p, "at", a, "err", err)
			}
		})
	}
}

// lookAgain asks those peers that are still there after a change of addresses, which may have been none of the network: what
// was found out over connections made for that alone is forgotten.
func (h *Host) lookAgain() {
	for p, at := range h.reachable.behindRouter() {
		h.lookFrom(p, at)
	}
}

func (h *Host) listensOn(m medium) bool {
	return slices.ContainsFunc(h.host.Network().ListenAddresses(), func(a ma.Multiaddr) bool {
		of, ok := mediumOf(a)
		return ok && of == m
	})
}

// askOver asks a peer at an address where this host comes out.
func (h *Host) askOver(p peer.ID, a ma.Multiaddr) error {
	ctx, cancel := context.WithTimeout(h.ctx, vantageTimeout)
	defer cancel()
	seen, c, err := h.observedBy(ctx, p, a)
	if err != nil {
		return err
	}
	if h.listensAt(c.LocalMultiaddr()) {
		h.reachable.observe(p, seen, c)
		h.startPunching()
	}
	return nil
}

// observedBy connects to a peer beside the swarm, which keeps to the connection that it has, and returns from where
// the peer says that this host comes over that connection, which is closed again.
func (h *Host) observedBy(ctx context.Context, p peer.ID, a ma.Multiaddr) (seen ma.Multiaddr, c transport.CapableConn, err error) {
	s, ok := h.host.Network().(*swarm.Swarm)
	if !ok {
		return nil, nil, errors.New("p2p: no swarm")
	}
	t := s.TransportForDialing(a)
	if t == nil || !h.gate.InterceptPeerDial(p) || !h.gate.InterceptAddrDial(p, a) {
		return nil, nil, fmt.Errorf("p2p: %s is not to be dialled", a)
	}
	c, err = t.Dial(ctx, a, p)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	stream, err := c.OpenStream(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer stream.Reset()
	seen, err = askIdentity(ctx, stream)
	return seen, c, err
}

// askIdentity asks on a stream who the peer is, and returns from where it says that this host comes.
func askIdentity(ctx context.Context, s network.MuxedStream) (ma.Multiaddr, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if err := mss.SelectProtoOrFail(protocol.ID(identify.ID), s); err != nil {
		return nil, err
	}
	r := pbio.NewDelimitedReader(s, maxIdentify)
	for range maxIdentifyParts {
		part := new(pb.Identify)
		if err := r.ReadMsg(part); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
		if len(part.ObservedAddr) > 0 {
			return ma.NewMultiaddrBytes(part.ObservedAddr)
		}
	}
	return nil, errors.New("p2p: the peer does not say from where this host comes")
}
