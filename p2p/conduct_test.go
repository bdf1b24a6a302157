package p2p_test

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

func TestARefusedPeerIsTurnedAway(t *testing.T) {
	a, b := newHost(t), newHost(t)
	connect(t, b, a)
	eventually(t, func() bool { return isPeer(a, b.ID()) }, "not connected")
	a.Refuse(b.ID(), "skew", 1000, 0)
	require.Empty(t, a.Banned(), "no points for what an honest peer may send")
	for range 9 {
		a.Refuse(b.ID(), "forged", 3, 10)
	}
	require.Empty(t, a.Banned())
	c := a.Conduct(b.ID())
	require.Equal(t, map[string]uint64{"skew": 1000, "forged": 27}, c.Refusals)
	require.InDelta(t, 90, c.Points, 1)
	require.Zero(t, c.BannedUntil)

	a.Refuse(b.ID(), "forged", 3, 11)
	require.Equal(t, []string{b.ID()}, a.Banned())
	require.WithinDuration(t, time.Now().Add(10*time.Minute), a.Conduct(b.ID()).BannedUntil, time.Minute)
	eventually(t, func() bool { return !isPeer(a, b.ID()) && !isPeer(b, a.ID()) }, "still connected")
	// b goes on dialling, and is not let in.
	require.Never(t, func() bool { return isPeer(a, b.ID()) }, time.Second, 10*time.Millisecond)
	require.NotZero(t, a.Conduct(b.ID()).Points, "coming back wins nothing")

	connect(t, a, b) // somebody says so
	require.Empty(t, a.Banned())
	require.Equal(t, uint64(30), a.Conduct(b.ID()).Refusals["forged"])
	a.Refuse("nonsense", "x", 1, 100)
	a.Refuse(a.ID(), "x", 1, 100)
	require.Empty(t, a.Banned())
}

func TestPointsFadeAndBansGrow(t *testing.T) {
	l := p2p.NewLedger()
	for _, want := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
		until, banned := l.Refuse("p", "forged", 100)
		require.True(t, banned)
		require.Equal(t, want, until.Sub(l.Now))
		_, again := l.Refuse("p", "forged", 100)
		require.False(t, again, "banned already")
		require.False(t, l.Admits("p", ""))
		l.Now = until
		require.True(t, l.Admits("p", ""))
	}
	for range 20 {
		until, _ := l.Refuse("p", "forged", 1000)
		l.Now = until.Add(time.Second)
	}
	l.Now = l.Now.Add(100 * time.Minute)
	_, banned := l.Refuse("p", "forged", 1)
	require.False(t, banned, "forgotten by half each 10 minutes")
	l.Now = l.Now.Add(49 * time.Hour)
	until, banned := l.Refuse("p", "forged", 100)
	require.True(t, banned)
	require.Equal(t, 10*time.Minute, until.Sub(l.Now), "two days of peace begin anew")
}

func TestAnAddressOfManyBannedIsTurnedAway(t *testing.T) {
	const bad, other, private = "/ip4/11.0.0.7/tcp/1", "/ip4/11.0.0.8/tcp/1", "/ip4/192.168.1.7/tcp/1"
	for addr, closed := range map[string]bool{bad: true, private: false, "/ip6/2a00:1:2:3::1/udp/1/quic-v1": true, bad + "/p2p-circuit": false} {
		l := p2p.NewLedger()
		l.Vouch("friend")
		for _, p := range []string{"a", "b", "c"} {
			l.Refuse(p, "forged", 100)
			l.BannedAt(p, addr)
		}
		require.True(t, l.Admits("new", addr))
		l.Refuse("d", "forged", 100)
		l.BannedAt("d", addr)
		require.Equal(t, !closed, l.Admits("new", addr), addr)
		require.True(t, l.Admits("friend", addr), "who is behind the same router and known to be good")
		require.True(t, l.Admits("new", other))
		l.Now = l.Now.Add(11 * time.Minute)
		require.True(t, l.Admits("new", addr))
	}
}

// Whose ban was lifted does not count against others at its address any more.
func TestALiftedBanOpensItsAddress(t *testing.T) {
	const addr = "/ip4/11.0.0.7/tcp/1"
	l := p2p.NewLedger()
	for _, p := range []string{"a", "b", "c", "d"} {
		l.Refuse(p, "forged", 100)
		l.BannedAt(p, addr)
	}
	require.False(t, l.Admits("new", addr))
	require.True(t, l.Pardon("a"))
	require.True(t, l.Admits("new", addr))
}

func TestTheLedgerIsBounded(t *testing.T) {
	l := p2p.NewLedger()
	l.Refuse("culprit", "forged", 100)
	for i := range 3 * p2p.MaxConduct {
		l.Refuse(string(numbered(i, 8)), "skew", 0)
	}
	require.LessOrEqual(t, l.Len(), p2p.MaxConduct)
	require.False(t, l.Admits("culprit", ""), "fresh identities do not wash a ban out")
}

func TestBytesAreCountedByPeer(t *testing.T) {
	a, b := newHost(t), newHost(t)
	b.Serve(testProto, echo)
	connect(t, a, b)
	s, err := a.Open(t.Context(), b.ID(), testProto)
	require.NoError(t, err)
	in0, out0 := a.Bytes(b.ID())
	require.NoError(t, s.WriteFrame(make([]byte, 10000)))
	_, err = s.ReadFrame(10000)
	require.NoError(t, err)
	in, out := a.Bytes(b.ID())
	require.GreaterOrEqual(t, in-in0, int64(10000))
	require.GreaterOrEqual(t, out-out0, int64(10000))
	require.Less(t, out-out0, int64(12000))
	in, out = a.Bytes("nonsense")
	require.Zero(t, in+out)
	require.Equal(t, p2p.PathDirect, a.Peers()[0].Path)
	s.Reset()
}

// Whoever was named by hand is connected to although others at its address were banned.
func TestANamedPeerIsLetInAtAnAddressOfManyBanned(t *testing.T) {
	const addr = "/ip4/11.0.0.7/tcp/1"
	l := p2p.NewLedger()
	for _, p := range []string{"a", "b", "c", "d"} {
		l.Refuse(p, "forged", 100)
		l.BannedAt(p, addr)
	}
	g := p2p.NewGate(l)
	require.False(t, g.Secured(network.DirInbound, "new", addr))
	g.Name("new", addr)
	require.True(t, g.Secured(network.DirOutbound, "new", addr))
	require.True(t, g.Secured(network.DirInbound, "new", addr))
	g.Name("a", addr)
	require.False(t, g.Secured(network.DirInbound, "a", addr), "banned itself")
}
