//go:build linux

package p2p_test

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

const insideEnv = "MINIKV_P2P_INSIDE_NAMESPACE"

// inNamespace runs the calling test again in a network namespace of its own, set up by
// the shell commands, so that no packet leaves the machine. It reports whether this is
// that run.
func inNamespace(t *testing.T, setup string) bool {
	t.Helper()
	if os.Getenv(insideEnv) == t.Name() {
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root, to make a network namespace")
	}
	for _, tool := range []string{"unshare", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: needs the program %s", tool)
		}
	}
	self, err := os.Executable()
	require.NoError(t, err)
	script := "set -e\n" + setup + "\nexec \"$0\" -test.run '^" + t.Name() + "$' -test.v -test.timeout 60s"
	cmd := exec.CommandContext(t.Context(), "unshare", "-n", "sh", "-c", script, self)
	cmd.Env = append(os.Environ(), insideEnv+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "Operation not permitted") {
		t.Skipf("SKIPPED: may not make a network namespace here: %s", out)
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

const (
	loUp        = "ip link set lo up\n"
	loMulticast = loUp + "ip link set lo multicast on\nip route add 224.0.0.0/4 dev lo\n"
	// An interface that leads nowhere but counts what it is given.
	nowhere = loUp + "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || true\n" +
		"ip link add d0 type veth peer name d1\nip link set d1 up\nip addr add 192.168.7.1/24 dev d0\nip link set d0 multicast on up\n" +
		"ip route add default via 192.168.7.254\n"
)

func lan(c *p2p.Config) { c.Discovery = p2p.DiscoveryLAN }

func TestLANFindsPeers(t *testing.T) {
	if !inNamespace(t, loMulticast) {
		return
	}
	a, b := newHost(t, lan), newHost(t, lan)
	other := newHost(t, lan, func(c *p2p.Config) { c.MDNSService = "_other._udp" })
	eventually(t, func() bool { return isPeer(a, b.ID()) && isPeer(b, a.ID()) }, "not found")
	require.Empty(t, other.Peers(), "another service is another network")
}

func TestLANWithoutMulticastIsNotFatal(t *testing.T) {
	if !inNamespace(t, loUp) {
		return
	}
	var out syncBuffer
	a := newHost(t, lan, func(c *p2p.Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	require.Contains(t, out.String(), "mDNS not started")
	connect(t, a, newHost(t, lan))
}

// sent is how many packets the interface was given to send.
func sent() (int, error) {
	b, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 10 && f[0] == "d0:" {
			return strconv.Atoi(f[10])
		}
	}
	return 0, errors.New("no interface d0")
}

func TestDiscoveryNoneSendsNothing(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	everywhere := func(c *p2p.Config) {
		c.Listen = []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"}
		c.PingEvery = 50 * time.Millisecond
	}
	a, b := newHost(t, everywhere), newHost(t, everywhere)
	for _, addr := range b.Addrs() {
		if strings.HasPrefix(addr, "/ip4/127.0.0.1/tcp/") {
			_, err := a.Connect(t.Context(), addr)
			require.NoError(t, err)
		}
	}
	ta, tb := join(t, a, "reg", newInbox().handle), join(t, b, "reg", newInbox().handle)
	meet(t, 1, ta, tb)
	require.NoError(t, ta.Publish(t.Context(), []byte("x")))
	require.NoError(t, b.Disconnect(a.ID())) // a dials again, at the named address only
	before, err := sent()
	require.NoError(t, err)
	loud := func() bool { n, err := sent(); return err != nil || n > before }
	require.Never(t, loud, 3*time.Second, 50*time.Millisecond)
	require.Zero(t, before)
	require.True(t, isPeer(a, b.ID()), "reconnected over loopback")

	newHost(t, everywhere, lan)
	eventually(t, func() bool { n, err := sent(); return err == nil && n > 0 }, "the counter does not count")
}

// Members who know but a node of the DHT, which tells of nobody, find each other in it.
func TestTheDHTBringsMembersTogether(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	inDHT := func(c *p2p.Config) {
		c.Discovery, c.Listen = p2p.DiscoveryDHT, []string{"/ip4/0.0.0.0/tcp/0"}
		c.MDNSService = "_" + rand.Text()[:8] + "._udp" // each of its own
	}
	boot := newHost(t, inDHT)
	boot.Unserve(p2p.GreetProtocol)
	var addr string
	for _, a := range boot.Addrs() {
		if strings.HasPrefix(a, "/ip4/192.168.7.1/") {
			addr = a
		}
	}
	ask := func(c *p2p.Config) { c.DHTPeers = []string{addr} }
	var members []*p2p.Host
	for range 3 {
		h := newHost(t, inDHT, ask)
		join(t, h, "reg", newInbox().handle)
		members = append(members, h)
	}
	stranger := newHost(t, inDHT, ask)
	join(t, stranger, "other", newInbox().handle)
	for _, h := range members {
		for _, other := range members {
			eventually(t, func() bool { return h == other || isPeer(h, other.ID()) }, "not found")
		}
	}
	require.False(t, isPeer(stranger, members[0].ID()))
	state := members[0].State()
	require.Positive(t, state.DHT)
}

// unheard is told of what may fail.
type unheard struct{}

func (unheard) Errorf(string, ...any) {}

// Who has found members asks the DHT rarely, but after a change of network at once.
func TestTheDHTIsAskedAfterAMove(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	inDHT := func(c *p2p.Config) {
		c.Discovery, c.Listen = p2p.DiscoveryDHT, []string{"/ip4/192.168.7.1/tcp/0"}
		c.MDNSService = "_" + rand.Text()[:8] + "._udp"
	}
	boot := newHost(t, inDHT)
	boot.Unserve(p2p.GreetProtocol)
	ask := func(c *p2p.Config) { c.DHTPeers = boot.Addrs() }
	a, b := newHost(t, inDHT, ask), newHost(t, inDHT, ask)
	ta := join(t, a, "reg", newInbox().handle)
	join(t, b, "reg", newInbox().handle)
	eventually(t, func() bool { return len(ta.Peers()) == 1 }, "not found")
	var late *p2p.Host
	for found := true; found; { // until it asks rarely
		late = newHost(t, inDHT, ask)
		eventually(t, func() bool { return p2p.PutDown(late, "reg") == nil }, "not put down")
		found = assert.Eventually(unheard{}, func() bool { return isPeer(a, late.ID()) }, 6*time.Second, 50*time.Millisecond)
	}
	a.Rouse()
	eventually(t, func() bool { return isPeer(a, late.ID()) }, "not found after a change of network")
}

// Members of other networks who are away take no place from those found in the DHT.
func TestThoseWhoAreAwayKeepNobodyOutOfTheDHT(t *testing.T) {
	if !inNamespace(t, nowhere) {
		return
	}
	inDHT := func(c *p2p.Config) {
		c.Discovery, c.Listen = p2p.DiscoveryDHT, []string{"/ip4/192.168.7.1/tcp/0"}
		c.MDNSService = "_" + rand.Text()[:8] + "._udp"
	}
	boot := newHost(t, inDHT)
	boot.Unserve(p2p.GreetProtocol)
	var known []string
	for range 2 {
		_, _, id := newKey(t)
		known = append(known, "/ip4/192.168.7.77/tcp/9/p2p/"+id.String())
	}
	member := func(c *p2p.Config) {
		c.DHTPeers, c.Known, c.Limits = boot.Addrs(), known, p2p.Limits{Conns: 8, Members: 2}
	}
	a, b := newHost(t, inDHT, member), newHost(t, inDHT, member)
	require.Equal(t, 2, p2p.Learnt(a), "all places are taken")
	ta := join(t, a, "reg", newInbox().handle)
	join(t, b, "reg", newInbox().handle)
	eventually(t, func() bool { return isPeer(a, b.ID()) }, "not found")
	eventually(t, func() bool { return len(ta.Peers()) == 1 && p2p.Keeps(a, b.ID()) }, "a member that is there gets a place")
	require.Equal(t, 2, p2p.Learnt(a))
}

// A relayed connection that comes when there is a direct one, as when one side could only dial the relay, does not stay.
func TestARelayedConnectionBesideADirectOneIsLeft(t *testing.T) {
	if !inNamespace(t, loUp+"ip addr add 192.0.0.129/32 dev lo\n") { // a relay needs an address that counts as public
		return
	}
	relay := newHost(t, func(c *p2p.Config) {
		c.RelayService, c.Listen = p2p.RelayMembers, []string{"/ip4/192.0.0.129/tcp/0"}
	})
	named := func(c *p2p.Config) { c.Relays = relay.Addrs()[:1] }
	a, b := newHost(t, named), newHost(t, named)
	served := join(t, relay, "reg", newInbox().handle)
	join(t, a, "reg", newInbox().handle)
	join(t, b, "reg", newInbox().handle)
	eventually(t, func() bool { return len(a.State().Relays) > 0 && len(served.Peers()) == 2 }, "not served")
	connect(t, b, a)
	eventually(t, func() bool { return isPeer(a, b.ID()) }, "not connected")
	require.NoError(t, p2p.DialBeside(t.Context(), b, relay.Addrs()[0]+"/p2p-circuit/p2p/"+a.ID()))
	eventually(t, func() bool { return connsTo(a, b.ID()) == 2 }, "no second connection")
	eventually(t, func() bool { return connsTo(a, b.ID()) == 1 }, "the relayed connection stays")
	require.Equal(t, p2p.PathDirect, a.Peers()[index(a, b.ID())].Path)
}

func index(h *p2p.Host, id string) int {
	return slices.IndexFunc(h.Peers(), func(p p2p.Peer) bool { return p.ID == id })
}
