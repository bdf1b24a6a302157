//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/internal/netlab"
)

// Nodes outside tell a node whether it can be dialled, and doctor says it: one behind a router cannot, one at a public address can.
func TestNetReachability(t *testing.T) {
	wan, dir := newLAN(t)
	var peers []string
	for i := range 4 {
		n := serveOn(t, dir, wan.Host(fmt.Sprint("n", i), fmt.Sprintf("192.0.0.%d/25", 140+i)).Deaf())
		peers = append(peers, "--peer", n.addr(fmt.Sprintf("/ip4/192.0.0.%d/tcp/", 140+i)))
	}
	open := serveOn(t, dir, wan.Host("open", thirdAddr).Deaf(), peers...)
	shut := serveOn(t, dir, wan.NAT("home", homeAddr, netlab.Cone, "10.1.0.1/24").Host("shut", "10.1.0.2/24"), peers...)
	for n, want := range map[*netNode]string{open: "ok", shut: "problem"} {
		t.Logf("%s: %q after %v", n.host.Name, want, netlab.Eventually(t, time.Minute, func() bool { return n.checked("reachability") == want }, "%s is %q", n.host.Name, want))
	}
}

// Where a node behind a router comes out, with each transport, it knows also after it has got a further address, which breaks no
// connection: without that no hole can be punched.
func TestNetPlacesOutlive(t *testing.T) {
	wan, dir := newLAN(t)
	var peers []string
	for i := range 2 {
		n := serveOn(t, dir, wan.Host(fmt.Sprint("n", i), fmt.Sprintf("192.0.0.%d/25", 140+i)).Deaf())
		peers = append(peers, "--peer", n.addr(fmt.Sprintf("/ip4/192.0.0.%d/tcp/", 140+i)))
	}
	a := serveOn(t, dir, wan.NAT("home", homeAddr, netlab.Cone, "10.1.0.1/24").Host("a", "10.1.0.2/24"), peers...)
	knows := func() bool {
		said := a.run("", "doctor")
		return strings.Contains(said, "/ip4/192.0.0.130/tcp/") && strings.Contains(said, "/ip4/192.0.0.130/udp/")
	}
	netlab.Eventually(t, 20*time.Second, knows, "the places with both transports")
	a.host.Address("10.7.0.2/24")
	a.logs(5*time.Second, "addresses have changed")
	t.Logf("known again after %v", netlab.Eventually(t, 20*time.Second, knows, "the places with both transports, after the change"))
}
