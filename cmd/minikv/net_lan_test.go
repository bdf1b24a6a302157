//go:build linux

package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
)

// newLAN is a segment without a way out.
func newLAN(t *testing.T) (*netlab.Switch, string) {
	t.Helper()
	return netlab.New(t).Switch("lan"), netDir(t)
}

// A node that starts next to another one, neither of them told of the other, has its entries within 2 s.
func TestNetLAN(t *testing.T) {
	lan, dir := newLAN(t)
	a := serveOn(t, dir, lan.Host("a", "192.168.5.1/24"))
	a.put("k", "v")
	host := lan.Host("b", "192.168.5.2/24")
	begun := time.Now()
	b := serveOn(t, dir, host)
	b.gets(10*time.Second, "k", "v")
	took := time.Since(begun)
	t.Logf("from the start of the program to the first entry from the peer: %v", took)
	require.Less(t, took, 2*time.Second)
}

// A node that starts before its machine has a network says that it is not found, and is found once there is one.
func TestNetLANLater(t *testing.T) {
	lan, dir := newLAN(t)
	host := lan.Host("a", "192.168.5.1/24")
	host.Unplug()
	require.NoError(t, host.Command(context.Background(), "ip", "addr", "flush", "dev", "eth0").Run())
	a := serveOn(t, dir, host)
	a.says(15*time.Second, "\n  discovery   lan: mDNS could not start, so nodes on this network do not find each other; name them with --peer\n")
	require.Equal(t, "problem", a.checked("mdns"))
	host.Plug()
	host.Readdress("192.168.5.1/24")
	netlab.Eventually(t, 45*time.Second, func() bool { return a.checked("mdns") == "ok" }, "mDNS runs")
	a.put("k", "v")
	b := serveOn(t, dir, lan.Host("b", "192.168.5.2/24"))
	b.says(15*time.Second, "\n  discovery   lan: nodes on this network find each other by themselves\n")
	b.gets(10*time.Second, "k", "v")
}

func TestNetIPv6(t *testing.T) {
	for transport, listen := range map[string]string{"tcp": "/ip6/::/tcp/7420", "quic": "/ip6/::/udp/7420/quic-v1"} {
		t.Run(transport, func(t *testing.T) {
			lan, dir := newLAN(t)
			a := serveOn(t, dir, lan.Host("a", "fd00:5::1/64"), "--listen", listen, "--discovery", "none")
			b := serveOn(t, dir, lan.Host("b", "fd00:5::2/64"), "--listen", listen, "--discovery", "none", "--peer", a.addr("/ip6/fd00:5::1/"))
			a.put("k", "v")
			b.gets(10*time.Second, "k", "v")
			require.Equal(t, transport, b.peer(a).Transport)
		})
	}
}

// A mesh comes together again although the one node that all were told of is away: each remembers the others.
func TestNetRemembered(t *testing.T) {
	lan, dir := newLAN(t)
	silent := []string{"--listen", "/ip4/0.0.0.0/tcp/7420"} // mDNS finds nobody across segments: a router without multicast stands between
	hub := serveOn(t, dir, lan.Host("hub", "192.168.5.1/24"), silent...)
	hosts := map[string]*netlab.Host{}
	nodes := map[string]*netNode{}
	left, right := lan.NAT("left", "192.168.5.10/24", netlab.Cone, "10.1.0.1/24"), lan
	hosts["a"], hosts["b"] = left.Host("a", "10.1.0.2/24"), right.Host("b", "192.168.5.3/24")
	start := func(name string, args ...string) {
		nodes[name] = serveOn(t, dir, hosts[name], append(append(silent, "--dir", filepath.Join(dir, name+".d")), args...)...)
	}
	for name := range hosts {
		start(name, "--peer", hub.addr("/ip4/192.168.5.1/tcp/"))
	}
	for x, y := range map[string]string{"a": "b", "b": "a"} {
		netlab.Eventually(t, 20*time.Second, func() bool { return len(nodes[x].peer(nodes[y]).Registries) > 0 }, "%s shares the registry with %s", x, y)
	}
	for _, n := range nodes {
		n.end()
	}
	hub.kill()
	start("b")
	start("a") // neither is told of anyone, and a's segment hears no multicast of b's
	nodes["a"].reaches(10*time.Second, nodes["b"], "direct")
	nodes["b"].put("k", "v")
	nodes["a"].gets(5*time.Second, "k", "v")
}

// A machine that gets another address in the midst of work is connected again within seconds, without a restart, on both sides.
func TestNetAddressChanges(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		t.Run(transport, func(t *testing.T) {
			lan, dir := newLAN(t)
			a := serveOn(t, dir, lan.Host("a", "192.168.5.1/24"), append(listens(transport), "--discovery", "none")...)
			b := serveOn(t, dir, lan.Host("b", "192.168.5.2/24"), append(listens(transport), "--discovery", "none", "--peer", a.addr("/ip4/192.168.5.1/"))...)
			b.reaches(10*time.Second, a, "direct")
			b.load("b", 2000)
			b.host.Readdress("192.168.5.9/24")
			b.put("after", "the change")
			t.Logf("%s: a write arrived %v after the change of address", transport, a.gets(15*time.Second, "after", "the change"))
			a.put("back", "again")
			b.gets(5*time.Second, "back", "again")
			equal(t, 10*time.Second, 2002, a, b)

			b.host.Unplug() // and a cable pulled for a while
			b.put("meanwhile", "v")
			require.False(t, a.has("meanwhile", "v"))
			b.host.Plug()
			t.Logf("%s: a write arrived %v after the link was back", transport, a.gets(40*time.Second, "meanwhile", "v"))
		})
	}
}
