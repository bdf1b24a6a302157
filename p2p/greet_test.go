package p2p_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// signedRecord is what a peer says of its addresses, signed by the given key.
func signedRecord(t testing.TB, key crypto.PrivKey, id peer.ID, addrs ...string) []byte {
	t.Helper()
	info := peer.AddrInfo{ID: id}
	for _, a := range addrs {
		info.Addrs = append(info.Addrs, ma.StringCast(a))
	}
	env, err := record.Seal(peer.PeerRecordFromAddrInfo(info), key)
	require.NoError(t, err)
	data, err := env.Marshal()
	require.NoError(t, err)
	return data
}

func TestTheBookTakesWhatPeersSignOfThemselves(t *testing.T) {
	key, _, id := newKey(t)
	other, _, otherID := newKey(t)
	b := p2p.NewBook("me")
	old := signedRecord(t, key, id, "/ip4/192.0.2.1/tcp/1")
	news, err := b.Learn(signedRecord(t, key, id, "/ip4/192.0.2.1/tcp/7", "/ip4/127.0.0.1/tcp/7", "/ip4/0.0.0.0/tcp/7"))
	require.NoError(t, err)
	require.True(t, news)
	require.Equal(t, []string{"/ip4/192.0.2.1/tcp/7"}, b.Addrs(id), "what leads nowhere is left out")
	news, err = b.Learn(old)
	require.NoError(t, err)
	require.False(t, news, "an older record than the one held")
	require.Equal(t, []string{"/ip4/192.0.2.1/tcp/7"}, b.Addrs(id))

	_, err = b.Learn(signedRecord(t, other, id, "/ip4/192.0.2.66/tcp/7"))
	require.Error(t, err, "signed by someone else")
	_, err = b.Learn([]byte("garbage"))
	require.Error(t, err)
	_, err = b.Learn(bytes.Repeat([]byte{1}, 1<<20))
	require.Error(t, err)
	require.Empty(t, b.Addrs(otherID))

	require.Empty(t, b.Remembered(), "only who shared a topic is remembered")
	b.Shares(id)
	require.Equal(t, []string{"/ip4/192.0.2.1/tcp/7/p2p/" + id.String()}, b.Remembered())
}

func TestTheBookIsBounded(t *testing.T) {
	b := p2p.NewBook("me")
	_, _, friend := newKey(t)
	b.Found(friend, "/ip4/192.0.2.1/tcp/7")
	b.Shares(friend)
	for i := range 3 * p2p.MaxBook {
		b.Found(peer.ID(numbered(i, 8)), "/ip4/192.0.2.2/tcp/7")
	}
	require.LessOrEqual(t, b.Len(), p2p.MaxBook)
	require.Len(t, b.Remembered(), 1, "strangers go first")
	for i := range 3 * p2p.MaxBookAddrs {
		b.Found(friend, fmt.Sprint("/ip4/192.0.2.3/tcp/", 1000+i))
	}
	require.LessOrEqual(t, len(b.Addrs(friend)), p2p.MaxBookAddrs)
}

// A host that was told of nobody knows the member that its only neighbour knows.
func TestMembersMeetThroughANeighbour(t *testing.T) {
	if !inNamespace(t, nowhere) { // where learning is on, so are mDNS and port mapping
		return
	}
	anywhere := func(c *p2p.Config) {
		c.Discovery, c.Listen = p2p.DiscoveryLAN, []string{"/ip4/0.0.0.0/tcp/0"}
		c.MDNSService = "_" + rand.Text()[:8] + "._udp" // each of its own
	}
	middle, a, b, stranger := newHost(t, anywhere), newHost(t, anywhere), newHost(t, anywhere), newHost(t, anywhere)
	join(t, a, "reg", newInbox().handle)
	join(t, b, "reg", newInbox().handle)
	join(t, stranger, "other", newInbox().handle)
	for _, h := range []*p2p.Host{a, b, stranger} { // the one in the middle is in no topic
		connect(t, h, middle)
	}
	eventually(t, func() bool { return isPeer(a, b.ID()) && isPeer(b, a.ID()) }, "the members do not meet")
	require.False(t, isPeer(stranger, a.ID()), "who shares no topic is told of nobody")
	// Told to leave the other alone, a does not dial it again whatever it hears; b may, and does.
	require.NoError(t, a.Disconnect(b.ID()))
	eventually(t, func() bool { return inbound(a, b.ID()) }, "b did not dial")
}

func inbound(h *p2p.Host, id string) bool {
	for _, p := range h.Peers() {
		if p.ID == id {
			return p.Inbound
		}
	}
	return false
}

func TestMembersAreRememberedOverRestarts(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	told := make(chan []string, 100)
	anywhere := func(c *p2p.Config) {
		c.Discovery, c.Listen = p2p.DiscoveryLAN, []string{"/ip4/0.0.0.0/tcp/0"}
		c.MDNSService = "_" + rand.Text()[:8] + "._udp"
	}
	a, b := newHost(t, anywhere, func(c *p2p.Config) { c.Remember = func(addrs []string) { told <- addrs } }), newHost(t, anywhere)
	join(t, a, "reg", newInbox().handle)
	join(t, b, "reg", newInbox().handle)
	connect(t, a, b)
	var known []string
	eventually(t, func() bool {
		select {
		case known = <-told:
		default:
		}
		return len(known) > 0
	}, "nothing to remember")
	require.NoError(t, a.Close())
	eventually(t, func() bool { return len(b.Peers()) == 0 }, "gone")
	again := newHost(t, anywhere, func(c *p2p.Config) { c.Known = append(known, "nonsense") })
	eventually(t, func() bool { return isPeer(again, b.ID()) }, "not found again")
	require.Empty(t, newHost(t, func(c *p2p.Config) { c.Known = known }).Peers(), "DiscoveryNone dials whom it is told to")
}

func TestGreetingsAreStrict(t *testing.T) {
	good, err := p2p.EncodeGreeting([]string{"reg"}, [][]byte{{1}})
	require.NoError(t, err)
	require.NoError(t, p2p.DecodeGreeting(good))
	for name, g := range map[string]func() ([]byte, error){
		"topic of no bytes": func() ([]byte, error) { return p2p.EncodeGreeting([]string{""}, nil) },
		"long topic":        func() ([]byte, error) { return p2p.EncodeGreeting([]string{string(make([]byte, 257))}, nil) },
		"many topics":       func() ([]byte, error) { return p2p.EncodeGreeting(make([]string, 257), nil) },
		"many records":      func() ([]byte, error) { return p2p.EncodeGreeting(nil, make([][]byte, 33)) },
		"long record":       func() ([]byte, error) { return p2p.EncodeGreeting(nil, [][]byte{make([]byte, 1<<13)}) },
		"much":              func() ([]byte, error) { return make([]byte, 1<<20), nil },
		"trailing bytes":    func() ([]byte, error) { return append(good, 0), nil },
		"another version":   func() ([]byte, error) { return []byte{0x83, 0x02, 0x80, 0x80}, nil },
		"endless":           func() ([]byte, error) { return []byte{0x9f}, nil },
	} {
		data, err := g()
		require.NoError(t, err, name)
		require.Error(t, p2p.DecodeGreeting(data), name)
	}
}

func FuzzGreeting(f *testing.F) {
	good, err := p2p.EncodeGreeting([]string{"a", "b"}, [][]byte{{1, 2, 3}})
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte{0x83, 0x01, 0x80, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		if p2p.DecodeGreeting(data) == nil {
			require.LessOrEqual(t, len(data), 96<<10)
		}
	})
}

func FuzzRecord(f *testing.F) {
	key, _, id := newKey(f)
	f.Add(signedRecord(f, key, id, "/ip4/192.0.2.1/tcp/7"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := p2p.NewBook("me")
		_, _ = b.Learn(data)
		require.LessOrEqual(t, b.Len(), 1)
	})
}

func TestAGarbledGreetingIsCounted(t *testing.T) {
	a, b := newHost(t), newHost(t)
	connect(t, a, b)
	s, err := a.Open(t.Context(), b.ID(), p2p.GreetProtocol)
	require.NoError(t, err)
	require.NoError(t, s.WriteFrame([]byte("garbage")))
	eventually(t, func() bool { return b.Conduct(a.ID()).Refusals[p2p.RefusedGreeting] == 1 }, "not counted")
	s.Reset()
}

// A member that was remembered and is away at the start is remembered on, when others have been met.
func TestWhoIsAwayIsRemembered(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	told := make(chan []string, 100)
	anywhere := func(c *p2p.Config) {
		c.Discovery, c.Listen = p2p.DiscoveryLAN, []string{"/ip4/0.0.0.0/tcp/0"}
		c.MDNSService = "_" + rand.Text()[:8] + "._udp"
	}
	b := newHost(t, anywhere)
	_, _, away := newKey(t)
	known := append(slices.Clone(b.Addrs()[:1]), "/ip4/192.168.7.1/tcp/9/p2p/"+away.String())
	a := newHost(t, anywhere, func(c *p2p.Config) { c.Known, c.Remember = known, func(addrs []string) { told <- addrs } })
	join(t, a, "reg", newInbox().handle)
	join(t, b, "reg", newInbox().handle)
	var last []string
	eventually(t, func() bool {
		select {
		case last = <-told:
		default:
		}
		return strings.Contains(strings.Join(last, " "), b.ID())
	}, "nothing to remember")
	require.Contains(t, last[0], b.ID(), "who was met comes first")
	require.Contains(t, last, known[1])
}

// Whoever tells of peers that nobody can reach takes no place from a member that is connected: it is dialled when its link is lost.
func TestMadeUpPeersTakeNoMembersPlace(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	anywhere := func(c *p2p.Config) {
		c.Discovery, c.Listen = p2p.DiscoveryLAN, []string{"/ip4/0.0.0.0/tcp/0"}
		c.MDNSService = "_" + rand.Text()[:8] + "._udp"
	}
	a := newHost(t, anywhere, func(c *p2p.Config) { c.Limits = p2p.Limits{Conns: 8, Members: 3} })
	stranger := newHost(t)
	join(t, a, "reg", newInbox().handle)
	connect(t, stranger, a)
	var madeUp [][]byte
	for range 8 {
		key, _, id := newKey(t)
		madeUp = append(madeUp, signedRecord(t, key, id, "/ip4/192.168.7.77/tcp/9"))
	}
	s, err := stranger.Open(t.Context(), a.ID(), p2p.GreetProtocol)
	require.NoError(t, err)
	for _, records := range [][][]byte{nil, madeUp} {
		g, err := p2p.EncodeGreeting([]string{"reg"}, records)
		require.NoError(t, err)
		require.NoError(t, s.WriteFrame(g))
		if records == nil {
			_, err = s.ReadFrame(1 << 20)
			require.NoError(t, err)
		}
	}
	eventually(t, func() bool { return p2p.Learnt(a) == 3 }, "the places are not taken")
	b := newHost(t, func(c *p2p.Config) { c.Listen = []string{"/ip4/0.0.0.0/tcp/0"} })
	tb := join(t, b, "reg", newInbox().handle)
	connect(t, b, a)
	eventually(t, func() bool { return len(tb.Peers()) == 1 && p2p.Keeps(a, b.ID()) }, "the member is not kept")
	require.NoError(t, b.Disconnect(a.ID()))
	eventually(t, func() bool { return inbound(b, a.ID()) }, "a does not dial the member")
	require.LessOrEqual(t, p2p.Learnt(a), 3)
}
