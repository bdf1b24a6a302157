//go:build linux

package p2p_test

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// natpmpPort is where a router that speaks NAT-PMP listens (RFC 6886, section 1.1).
const natpmpPort = 5351

// pmpRouter is a router that speaks NAT-PMP, leads the ports it is asked for, and grants a lifetime of its own.
func pmpRouter(t *testing.T, ip net.IP, life uint32) {
	t.Helper()
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ip, Port: natpmpPort})
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { require.NoError(t, l.Close()); <-done })
	go func() {
		defer close(done)
		for {
			ask := make([]byte, 64)
			n, from, err := l.ReadFromUDP(ask)
			if err != nil {
				return
			}
			answer := []byte{0, ask[1] | 0x80, 0, 0, 0, 0, 0, 1}
			if n == 2 {
				answer = append(answer, 192, 0, 1, 130)
			} else {
				answer = append(append(answer, ask[4:6]...), ask[6:8]...)
				answer = binary.BigEndian.AppendUint32(answer, life)
			}
			_, _ = l.WriteToUDP(answer, from)
		}
	}()
}

// A mapping is renewed before it ends, also where the router grants less than was asked for.
func TestMappingsAreRenewedInTime(t *testing.T) {
	if !inNamespace(t, loUp+"ip addr add 192.168.7.1/32 dev lo\n") { // of loopback addresses no port is mapped
		return
	}
	h := newHost(t, func(c *p2p.Config) { c.Listen = []string{"/ip4/192.168.7.1/tcp/7420"} })
	for n, c := range []struct {
		life  uint32
		pause time.Duration
	}{{7200, 10 * time.Minute}, {120, time.Minute}, {2, 5 * time.Second}} {
		router := net.IPv4(127, 0, 0, byte(10+n))
		pmpRouter(t, router, c.life)
		pause, mapped, err := p2p.AskNATPMP(h, router)
		require.NoError(t, err)
		require.Equal(t, c.pause, pause)
		require.Equal(t, []string{"/ip4/192.0.1.130/tcp/7420"}, mapped)
	}
	pmpRouter(t, net.IPv4(127, 0, 0, 9), 0)
	_, mapped, err := p2p.AskNATPMP(h, net.IPv4(127, 0, 0, 9))
	require.ErrorContains(t, err, "maps nothing")
	require.Empty(t, mapped)
}

// A router that has fallen silent does not hold up the end of a host.
func TestASilentRouterIsLeft(t *testing.T) {
	router, h := make(chan struct{}), newHost(t)
	begun := time.Now()
	patience, err := p2p.CloseMapper(h, router)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begun), patience)
	close(router)
	_, err = p2p.CloseMapper(h, router)
	require.NoError(t, err)
}
