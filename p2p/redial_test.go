package p2p_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

func isPeer(h *p2p.Host, id string) bool {
	for _, p := range h.Peers() {
		if p.ID == id {
			return true
		}
	}
	return false
}

func eventually(t testing.TB, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, patience, 5*time.Millisecond, what)
}

// restartable is a host that keeps its identity and ports over restarts.
type restartable struct {
	*p2p.Host
	key    crypto.PrivKey
	listen []string
}

func (r *restartable) start(t testing.TB) {
	t.Helper()
	h, err := p2p.New(t.Context(), p2p.Config{Identity: r.key, Listen: r.listen})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	r.Host = h
}

// newRestartable starts a host on a free port of one transport.
func newRestartable(t testing.TB, transport string) *restartable {
	t.Helper()
	key, _, id := newKey(t)
	r := &restartable{key: key, listen: listenOn(transport)}
	r.start(t)
	addr := r.Addrs()[0]
	r.listen = []string{addr[:len(addr)-len("/p2p/")-len(id.String())]}
	return r
}

// awaitDials listens at the address, turns everybody away, and returns after n tries.
func awaitDials(t testing.TB, addr string, n int) {
	t.Helper()
	a, err := ma.NewMultiaddr(addr)
	require.NoError(t, err)
	network, at, err := manet.DialArgs(a)
	require.NoError(t, err)
	if network == "tcp4" {
		l, err := net.Listen(network, at)
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		for range n {
			c, err := l.Accept()
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
		return
	}
	l, err := net.ListenPacket(network, at)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	for range n {
		_, _, err := l.ReadFrom(make([]byte, 2048))
		require.NoError(t, err)
	}
}

func TestReconnectsAfterRestart(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		for _, named := range []string{"static", "connect"} {
			t.Run(transport+"/"+named, func(t *testing.T) {
				t.Parallel()
				b := newRestartable(t, transport)
				a := newHost(t, func(c *p2p.Config) {
					if named == "static" {
						c.Static = b.Addrs()
					}
				})
				if named == "connect" {
					connect(t, a, b.Host)
				}
				in := newInbox()
				ta := join(t, a, "reg", newInbox().handle)
				eventually(t, func() bool { return isPeer(a, b.ID()) }, "not connected")
				require.NoError(t, b.Close())
				// A word of farewell by UDP may get lost; then QUIC notices after 30 s of silence.
				require.Eventually(t, func() bool { return !isPeer(a, b.ID()) }, 2*patience, time.Millisecond, "loss not noticed")
				awaitDials(t, b.listen[0], 2)
				b.start(t)
				tb := join(t, b.Host, "reg", in.handle)
				begun := time.Now()
				eventually(t, func() bool { return isPeer(a, b.ID()) }, "not reconnected")
				require.Less(t, time.Since(begun), 8*time.Second)
				meet(t, 1, ta, tb)
				require.NoError(t, ta.Publish(t.Context(), []byte("again")))
				require.Equal(t, "again", string(in.wait(t, 1)[0].Data))
			})
		}
	}
}

func TestStaticPeerMayStartLater(t *testing.T) {
	b := newRestartable(t, "tcp")
	addrs := b.Addrs()
	require.NoError(t, b.Close())
	a := newHost(t, func(c *p2p.Config) { c.Static = addrs })
	b.start(t)
	eventually(t, func() bool { return isPeer(a, b.ID()) }, "not connected")
}

func TestDisconnectForgets(t *testing.T) {
	a, b := newHost(t), newHost(t)
	connect(t, a, b)
	require.NoError(t, a.Disconnect(b.ID()))
	eventually(t, func() bool { return !isPeer(a, b.ID()) }, "still connected")
	never := time.Now().Add(700 * time.Millisecond) // several times the first pause
	require.Never(t, func() bool { return isPeer(a, b.ID()) }, time.Until(never), 10*time.Millisecond)
	connect(t, a, b)
	require.Error(t, a.Disconnect("nonsense"))
}

// What is under way when a peer is disconnected does not bring it back.
func TestDisconnectEndsDialsUnderWay(t *testing.T) {
	a, b := newHost(t), newHost(t)
	connect(t, a, b)
	require.NoError(t, a.Disconnect(b.ID()))
	eventually(t, func() bool { return !isPeer(a, b.ID()) }, "still connected")
	_ = p2p.DialAnyway(t.Context(), a, b.Addrs()[0]) // it may be told that the connection is gone already
	eventually(t, func() bool { return !isPeer(a, b.ID()) && !isPeer(b, a.ID()) }, "a dial brought it back")
	require.NoError(t, p2p.Find(a, b.Addrs()[0]))
	require.False(t, p2p.Keeps(a, b.ID()), "it was found meanwhile, and is dialled again")
	connect(t, b, a)
	eventually(t, func() bool { return isPeer(a, b.ID()) }, "the peer may dial")
	require.NoError(t, b.Disconnect(a.ID()))
	eventually(t, func() bool { return !isPeer(a, b.ID()) }, "still connected")
	_, err := a.Connect(t.Context(), "/ip4/127.0.0.1/tcp/1/p2p/"+b.ID())
	require.Error(t, err)
	_ = p2p.DialAnyway(t.Context(), a, b.Addrs()[0])
	eventually(t, func() bool { return !isPeer(a, b.ID()) && !isPeer(b, a.ID()) }, "a Connect that failed made it welcome")
	connect(t, a, b)
	require.True(t, p2p.Keeps(a, b.ID()))
}

func TestConnectErrors(t *testing.T) {
	a := newHost(t)
	gone := newRestartable(t, "tcp")
	addr := gone.Addrs()[0]
	require.NoError(t, gone.Close())
	for name, bad := range map[string]string{
		"nonsense":  "nonsense",
		"no id":     "/ip4/127.0.0.1/tcp/4001",
		"itself":    a.Addrs()[0],
		"nobody":    addr,
		"wrong key": a.Addrs()[0][:len(a.Addrs()[0])-len(a.ID())] + gone.ID(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := a.Connect(ctx, bad)
			require.ErrorContains(t, err, bad)
		})
	}
	require.Empty(t, a.Peers())
}

type event struct {
	id string
	up bool
}

type events struct {
	mu  sync.Mutex
	all []event
}

func (e *events) add(id string, up bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event{id, up})
}

func (e *events) is(want ...event) func() bool {
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.all) != len(want) {
			return false
		}
		for i := range want {
			if e.all[i] != want[i] {
				return false
			}
		}
		return true
	}
}

// ends reports whether the last events are these.
func (e *events) ends(want ...event) func() bool {
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.all) >= len(want) && slices.Equal(e.all[len(e.all)-len(want):], want)
	}
}

func TestPeerEvents(t *testing.T) {
	a, b := newHost(t), newHost(t)
	var early, late, topical events
	a.OnPeer(early.add)
	ta := join(t, a, "reg", newInbox().handle)
	ta.OnPeer(topical.add)
	connect(t, a, b)
	eventually(t, early.is(event{b.ID(), true}), "up")
	a.OnPeer(late.add)
	eventually(t, late.is(event{b.ID(), true}), "told of who is there already")
	tb := join(t, b, "reg", newInbox().handle)
	eventually(t, topical.is(event{b.ID(), true}), "joined")
	require.Equal(t, []string{b.ID()}, ta.Peers())
	require.NoError(t, tb.Close())
	eventually(t, topical.is(event{b.ID(), true}, event{b.ID(), false}), "left")
	require.Empty(t, ta.Peers())
	require.NoError(t, b.Close())
	// While b closes, a may have found its listener still open when it dialled again.
	eventually(t, early.ends(event{b.ID(), true}, event{b.ID(), false}), "down")
	eventually(t, late.ends(event{b.ID(), true}, event{b.ID(), false}), "down")
}

func TestPeersTellsTransportAndRoundTrip(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		a, b := pair(t, transport)
		eventually(t, func() bool { return a.Peers()[0].RTT > 0 && b.Peers()[0].RTT > 0 }, "no ping")
		p, q := a.Peers()[0], b.Peers()[0]
		require.Equal(t, transport, p.Transport)
		require.Equal(t, transport, q.Transport)
		require.False(t, p.Inbound)
		require.True(t, q.Inbound)
		require.False(t, p.Relayed)
		require.Len(t, p.Addrs, 1)
		require.Contains(t, b.Addrs()[0], p.Addrs[0])
		require.WithinDuration(t, time.Now(), p.Since, patience)
	}
}

func TestTCPIsPreferredOnPrivateNetworks(t *testing.T) {
	b := newHost(t)
	a := newHost(t, func(c *p2p.Config) { c.Static = b.Addrs() })
	eventually(t, func() bool { return isPeer(a, b.ID()) }, "not connected")
	require.Equal(t, "tcp", a.Peers()[0].Transport)
}

func TestOnlyNamedAddressesAreDialled(t *testing.T) {
	a, b := newHost(t), newHost(t)
	connect(t, b, a) // a learns b's addresses from b, but nobody named them
	eventually(t, func() bool { return isPeer(a, b.ID()) }, "not connected")
	require.NoError(t, b.Disconnect(a.ID()))
	eventually(t, func() bool { return !isPeer(a, b.ID()) }, "still connected")
	_, err := a.Open(t.Context(), b.ID(), "/x/1")
	require.ErrorIs(t, err, p2p.ErrNotConnected)
	require.ErrorContains(t, p2p.DialLearnt(t.Context(), a, b.ID()), "gater")
}

// Naming a peer that is dialled now and then, as discovery found it, dials it at once.
func TestNamingHurries(t *testing.T) {
	_, _, id := newKey(t)
	require.True(t, p2p.Hurries(newHost(t), id))
}

// A machine that sleeps stops the one clock, a process that is stopped sees both go on.
func TestSleepIsNoticed(t *testing.T) {
	for name, c := range map[string]struct{ wall, run, want time.Duration }{
		"awake":                  {time.Second, time.Second, 0},
		"a busy machine":         {6 * time.Second, 6 * time.Second, 0},
		"slept":                  {time.Hour, time.Second, time.Hour - time.Second},
		"stopped":                {time.Minute, time.Minute, time.Minute - time.Second},
		"stopped, clock back":    {-time.Hour, time.Minute, time.Minute - time.Second},
		"the clock was put back": {-time.Hour, time.Second, 0},
	} {
		require.Equal(t, c.want, p2p.Asleep(c.wall, c.run), name)
	}
}
