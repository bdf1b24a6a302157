//go:build linux

package p2p_test

import (
	"net"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// A host of a small machine: it leaves connections to neighbours alone for longer.
func patient(c *p2p.Config) {
	c.KeepAlive = 3 * time.Minute
	c.Listen = []string{"/ip4/0.0.0.0/udp/7420/quic-v1"}
}

func TestPatientHostsListenAndDialOverQUIC(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	a := newHost(t, patient)
	b := newHost(t, patient, func(c *p2p.Config) { c.Listen = []string{"/ip4/0.0.0.0/udp/0/quic-v1"} })
	ta, got := join(t, a, "reg", newInbox().handle), newInbox()
	tb := join(t, b, "reg", got.handle)
	connect(t, b, a)
	meet(t, 1, ta, tb)
	require.Equal(t, "quic", b.Peers()[0].Transport)
	require.NoError(t, ta.Publish(t.Context(), []byte("x")))
	require.Equal(t, "x", string(got.wait(t, 1)[0].Data))

	_, err := p2p.New(t.Context(), func() (c p2p.Config) { patient(&c); return c }())
	require.ErrorContains(t, err, "listening on /ip4/0.0.0.0/udp/7420/quic-v1", "the port is taken")
	require.NoError(t, a.Close())
	again := newHost(t, patient) // the port is free once Close has returned
	connect(t, again, b)
}

func TestPatienceIsForNeighbours(t *testing.T) {
	if !inNamespace(t, nowhere+"ip tuntap add tun0 mode tun || ip link add tun0 type ipip remote 192.0.2.1\nip addr add 10.9.0.1/24 dev tun0\n") {
		return
	}
	usual := &quic.Config{KeepAlivePeriod: 15 * time.Second}
	for ip, near := range map[string]bool{
		"127.0.0.1": true, "192.168.7.2": true, "169.254.3.4": true, "fe80::1": true, // no router is in between
		"192.168.8.2": false, "fd00::1": false, "192.0.2.1": false, "2001:db8::1": false, // behind routers
		"10.9.0.2": false, // through a tunnel
	} {
		c := p2p.FitQUIC(3*time.Minute, &net.UDPAddr{IP: net.ParseIP(ip), Port: 1}, usual)
		k := &kernel{remote: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}
		p2p.Calm(3*time.Minute, k)
		if near {
			require.Equal(t, 90*time.Second, c.KeepAlivePeriod, ip)
			require.Equal(t, 3*time.Minute, c.MaxIdleTimeout, ip)
			require.Equal(t, 6*time.Minute, k.every, ip)
		} else {
			require.Same(t, usual, c, ip)
			require.Zero(t, k.every, ip)
		}
	}
	require.Same(t, usual, p2p.FitQUIC(time.Minute, &net.UnixAddr{}, usual))
	p2p.Calm(time.Minute, circuit{}) // through a relay: there is nothing to set
}

// kernel is a connection that remembers how often the kernel is to test it.
type kernel struct {
	sec.SecureConn
	remote net.Addr
	every  time.Duration
}

func (k *kernel) RemoteAddr() net.Addr { return k.remote }

func (k *kernel) SetKeepAlivePeriod(d time.Duration) error { k.every = d; return nil }

type circuit struct{ sec.SecureConn }

func (circuit) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
