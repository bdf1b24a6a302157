//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
)

// loadAside writes records as load does while the test goes on; the result waits until all are written.
func (n *netNode) loadAside(prefix string, records int) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.load(prefix, records)
	}()
	return func() { <-done }
}

// begins waits until the node has the first records of a load.
func (n *netNode) begins(prefix string) {
	n.t.Helper()
	netlab.Eventually(n.t, 20*time.Second, func() bool {
		_, err := n.client.Get(n.t.Context(), "r", prefix+"/000000")
		return err == nil
	}, "%s has the first record", n.host.Name)
}

// When the relay dies in the midst of records, the punched link stays, and all of them arrive.
func TestNetRelayDiesUnderLoad(t *testing.T) {
	n := newInternet(t, netlab.Cone, "members", "")
	n.a.reaches(20*time.Second, n.b, "punched")
	since := n.b.peer(n.a).Since
	written := n.a.loadAside("a", 20_000)
	n.b.begins("a")
	n.relay.kill()
	written()
	t.Logf("20,000 records: equal %v after the last was written", equal(t, time.Minute, 20_000, n.a, n.b))
	require.Equal(t, "punched", n.b.peer(n.a).Path)
	require.Equal(t, since, n.b.peer(n.a).Since, "the same link")
}

// A machine that gets another address in the midst of records has them all.
func TestNetAddressChangesUnderLoad(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		t.Run(transport, func(t *testing.T) {
			lan, dir := newLAN(t)
			a := serveOn(t, dir, lan.Host("a", "192.168.5.1/24"), append(listens(transport), "--discovery", "none")...)
			b := serveOn(t, dir, lan.Host("b", "192.168.5.2/24"), append(listens(transport), "--discovery", "none", "--peer", a.addr("/ip4/192.168.5.1/"))...)
			b.reaches(10*time.Second, a, "direct")
			written := a.loadAside("a", 20_000)
			own := b.loadAside("b", 5_000)
			b.begins("a")
			b.host.Readdress("192.168.5.9/24")
			written()
			own()
			t.Logf("%s: equal %v after the last was written", transport, equal(t, time.Minute, 25_000, a, b))
		})
	}
}

// A process that was stopped for longer than its connections live, as in a frozen container or a machine that slept, has what it
// missed soon after it goes on, also where its machine woke up with another address.
func TestNetFrozen(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		for _, moved := range []bool{false, true} {
			t.Run(fmt.Sprint(transport, map[bool]string{true: " and moved"}[moved]), func(t *testing.T) {
				t.Parallel() // they mostly wait
				lan, dir := newLAN(t)
				a := serveOn(t, dir, lan.Host("a", "192.168.5.1/24"), append(listens(transport), "--discovery", "none")...)
				b := serveOn(t, dir, lan.Host("b", "192.168.5.2/24"), append(listens(transport), "--discovery", "none", "--peer", a.addr("/ip4/192.168.5.1/"))...)
				b.reaches(10*time.Second, a, "direct")
				a.reaches(10*time.Second, b, "direct")
				require.NoError(t, b.cmd.Process.Signal(syscall.SIGSTOP))
				t.Logf("noticed after %v", netlab.Eventually(t, 90*time.Second, func() bool { return !a.peer(b).Connected }, "a notices"))
				a.put("meanwhile", "v")
				if moved {
					b.host.Readdress("192.168.5.9/24")
				}
				require.NoError(t, b.cmd.Process.Signal(syscall.SIGCONT))
				t.Logf("a write of the time in between arrived after %v", b.gets(10*time.Second, "meanwhile", "v"))
				b.put("awake", "v")
				a.gets(5*time.Second, "awake", "v")
			})
		}
	}
}

// Nodes with IPv6 alone find each other, with what serve does by default.
func TestNetIPv6Alone(t *testing.T) {
	lan, dir := newLAN(t)
	a := serveOn(t, dir, lan.Host("a", "fd00:5::1/64"))
	b := serveOn(t, dir, lan.Host("b", "fd00:5::2/64"))
	b.reaches(15*time.Second, a, "direct")
	a.put("k", "v")
	b.gets(5*time.Second, "k", "v")
	require.Equal(t, "ok", a.checked("ipv6"))
	b.host.Readdress("fd00:5::9/64")
	b.put("after", "the change")
	t.Logf("a write arrived %v after the change of address", a.gets(15*time.Second, "after", "the change"))
}

// Nodes that reach each other through relays alone go on by the second one when the first dies, and by the first one again when
// that is back and the second one gone.
func TestNetTwoRelays(t *testing.T) {
	lab, dir := netlab.New(t), netDir(t)
	wan := lab.Switch("wan")
	home, office := wan.NAT("home", homeAddr, netlab.Symmetric, "10.1.0.1/24"), wan.NAT("office", officeAddr, netlab.Symmetric, "10.2.0.1/24")
	host := wan.Host("r1", relayAddr)
	kept := []string{"--relay-service=members", "--dir", filepath.Join(dir, "r1.d")}
	one := serveOn(t, dir, host, kept...)
	two := serveOn(t, dir, wan.Host("r2", thirdAddr), "--relay-service=members")
	through := []string{"--relay", one.addr("/ip4/192.0.0.129/tcp/"), "--relay", two.addr("/ip4/192.0.0.132/tcp/")}
	a, b := serveOn(t, dir, home.Host("a", "10.1.0.2/24"), through...), serveOn(t, dir, office.Host("b", "10.2.0.2/24"), through...)
	a.reaches(30*time.Second, b, "relayed")
	for _, n := range []*netNode{a, b} {
		netlab.Eventually(t, 20*time.Second, func() bool { return n.relayed() == 2 }, "%s has places with both relays", n.host.Name)
	}
	one.kill()
	a.put("by the second", "v")
	t.Logf("a write arrived %v after one relay died", b.gets(20*time.Second, "by the second", "v"))
	one = serveOn(t, dir, host, kept...)
	for _, n := range []*netNode{a, b} {
		netlab.Eventually(t, 30*time.Second, func() bool { return n.relayed() == 2 }, "%s has a place with the relay that is back", n.host.Name)
	}
	two.kill()
	a.put("by the first", "v")
	t.Logf("a write arrived %v after the other one died", b.gets(20*time.Second, "by the first", "v"))
}

// relayed is with how many relays the node has a place: each of them has an address that goes through it.
func (n *netNode) relayed() int {
	s, err := n.client.Status(n.t.Context())
	if err != nil {
		return 0
	}
	relays := map[string]bool{}
	for _, a := range s.Addrs {
		if way, _, ok := strings.Cut(a, "/p2p-circuit"); ok {
			relays[way[strings.LastIndex(way, "/")+1:]] = true
		}
	}
	return len(relays)
}
