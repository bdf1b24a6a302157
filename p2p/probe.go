package p2p

import (
	"context"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
)

// After 30 s without a byte libp2p has the kernel test a connection over TCP. The multiplexer does the same, and each test
// of the kernel's is four packets, as both ends begin one. Where each byte is dear the kernel is to come second, between
// neighbours: to others it also keeps open what lies between.

// probing is a security transport that sets when the kernel tests the connections it secures: libp2p, which has no
// setting for that, hands them to it as they come from the kernel.
type probing struct {
	sec.SecureTransport
	every time.Duration
}

// probed wraps the constructor of a security transport, if Config.KeepAlive is longer than usual.
func probed[T sec.SecureTransport](cfg Config, make func(protocol.ID, crypto.PrivKey, []tptu.StreamMuxer) (T, error)) any {
	if cfg.KeepAlive <= DefaultKeepAlive {
		return make
	}
	return func(id protocol.ID, key crypto.PrivKey, muxers []tptu.StreamMuxer) (*probing, error) {
		inner, err := make(id, key, muxers)
		if err != nil {
			return nil, err
		}
		return &probing{SecureTransport: inner, every: 2 * cfg.KeepAlive}, nil
	}
}

// SecureInbound implements sec.SecureTransport.
func (p *probing) SecureInbound(ctx context.Context, c net.Conn, id peer.ID) (sec.SecureConn, error) {
	p.calm(c)
	return p.SecureTransport.SecureInbound(ctx, c, id)
}

// SecureOutbound implements sec.SecureTransport.
func (p *probing) SecureOutbound(ctx context.Context, c net.Conn, id peer.ID) (sec.SecureConn, error) {
	p.calm(c)
	return p.SecureTransport.SecureOutbound(ctx, c, id)
}

// calm sets the kernel's test of a connection over TCP. Should that fail, it is tested more often than it need be.
func (p *probing) calm(c net.Conn) {
	if !isNeighbour(c.RemoteAddr()) {
		return
	}
	if tcp, ok := c.(interface{ SetKeepAlivePeriod(time.Duration) error }); ok {
		_ = tcp.SetKeepAlivePeriod(p.every)
	}
}
