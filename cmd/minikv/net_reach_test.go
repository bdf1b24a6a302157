//go:build linux

package main

import (
	"fmt"
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
