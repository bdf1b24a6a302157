package p2p

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/quic-go/quic-go"
)

// libp2p keeps each connection over QUIC alive with a packet every 15 s, as routers with network address translation
// forget it after 30 s without one, and has no setting for that. Between neighbours on one network there is no router:
// where each byte is dear, the connections between them are left alone for longer. Both ends must see the other so: the
// shorter patience of the two holds for both.

// quicSockets are the sockets on which a patient host listens for QUIC. They are lent to libp2p.
type quicSockets struct {
	manager *quicreuse.ConnManager // nil: libp2p's own
	lent    sync.WaitGroup
}

// patience returns the option for the longer keep-alive, if Config.KeepAlive is one.
func (s *quicSockets) patience(cfg Config, listen []ma.Multiaddr) []libp2p.Option {
	if cfg.KeepAlive <= DefaultKeepAlive {
		return nil
	}
	return []libp2p.Option{libp2p.QUICReuse(func(reset quic.StatelessResetKey, tokens quic.TokenGeneratorKey, limits network.ResourceManager) (*quicreuse.ConnManager, error) {
		admit := func(ctx context.Context, from *quic.ClientInfo) (context.Context, error) {
			return admitQUIC(ctx, from, limits)
		}
		m, err := quicreuse.NewConnManager(reset, tokens, quicreuse.ConnContext(admit), quicreuse.VerifySourceAddress(limits.VerifySourceAddress))
		if err != nil {
			return nil, fmt.Errorf("p2p: starting QUIC: %w", err)
		}
		s.manager = m
		for _, a := range listen {
			s.lend(a, patientQUIC{after: cfg.KeepAlive, Transport: &quic.Transport{
				TokenGeneratorKey: &tokens, StatelessResetKey: &reset, ConnContext: admit, VerifySourceAddress: limits.VerifySourceAddress,
			}})
		}
		return m, nil
	})}
}

// admitQUIC asks the resource manager for an incoming connection, as libp2p does by itself.
func admitQUIC(ctx context.Context, from *quic.ClientInfo, limits network.ResourceManager) (context.Context, error) {
	addr, err := quicreuse.ToQuicMultiaddr(from.RemoteAddr, quic.Version1)
	if err != nil {
		addr = nil // the manager decides all the same
	}
	scope, err := limits.OpenConnection(network.DirInbound, false, addr)
	if err != nil {
		return ctx, err
	}
	context.AfterFunc(ctx, scope.Done)
	return network.WithConnManagementScope(ctx, scope), nil
}

// lend opens the socket of a listen address and lends it. Only sockets for all addresses can be lent. What cannot be
// opened is left to libp2p, which will say why when it listens.
func (s *quicSockets) lend(a ma.Multiaddr, t patientQUIC) {
	at, version, err := quicreuse.FromQuicMultiaddr(a)
	if err != nil || version != quic.Version1 || !at.IP.IsUnspecified() {
		return
	}
	family := "udp6"
	if at.IP.To4() != nil {
		family = "udp4"
	}
	conn, err := net.ListenUDP(family, at)
	if err != nil {
		return
	}
	t.Conn = conn
	back, err := s.manager.LendTransport(family, t, conn)
	if err != nil {
		_ = conn.Close() // nobody has used it
		return
	}
	s.lent.Go(func() {
		<-back
		_ = errors.Join(t.Close(), conn.Close()) // nobody uses it any more
	})
}

// close waits until the sockets are closed, so that another host may listen there. The host is closed already.
func (s *quicSockets) close() error {
	if s.manager == nil {
		return nil
	}
	err := s.manager.Close()
	s.lent.Wait()
	return err
}

// patientQUIC is a QUIC socket that leaves connections between neighbours alone.
type patientQUIC struct {
	*quic.Transport
	after time.Duration
}

var _ quicreuse.QUICTransport = patientQUIC{}

// Listen implements quicreuse.QUICTransport.
func (t patientQUIC) Listen(tlsConf *tls.Config, conf *quic.Config) (quicreuse.QUICListener, error) {
	usual := conf.Clone()
	conf.GetConfigForClient = func(from *quic.ClientInfo) (*quic.Config, error) { return t.fit(from.RemoteAddr, usual), nil }
	return t.Transport.Listen(tlsConf, conf)
}

// Dial implements quicreuse.QUICTransport.
func (t patientQUIC) Dial(ctx context.Context, addr net.Addr, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	return t.Transport.Dial(ctx, addr, tlsConf, t.fit(addr, conf))
}

// fit returns the configuration for a connection with the given address. A connection that has been silent for half of
// after is tested, and is dead after the whole of it without an answer.
func (t patientQUIC) fit(addr net.Addr, conf *quic.Config) *quic.Config {
	if !isNeighbour(addr) {
		return conf
	}
	conf = conf.Clone()
	conf.KeepAlivePeriod, conf.MaxIdleTimeout = t.after/2, t.after
	conf.DisablePathMTUDiscovery = true // 8 KB for each connection, to save one byte in nine of a large exchange's headers
	return conf
}
