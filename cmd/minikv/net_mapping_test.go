//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
)

// A public segment of addresses that router daemons, too, take for public.
const (
	outsideAddr, mappingAddr = "192.0.1.129/25", "192.0.1.130/25"
)

// A node behind a router that maps ports is dialled from outside, without a relay and without a hole punched; it says so itself.
func TestNetPortMapping(t *testing.T) {
	for _, protocol := range []string{netlab.UPnP, netlab.NATPMP} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel() // they mostly wait
			wan, dir := newLAN(t)
			home := wan.NAT("home", mappingAddr, netlab.Cone, "10.1.0.1/24")
			home.MapsPorts(protocol)
			a := serveOn(t, dir, home.Host("a", "10.1.0.2/24"))
			netlab.Eventually(t, 30*time.Second, func() bool { return a.checked("port mapping") == "ok" }, "the port is mapped: %s", home.Mapped())
			b := serveOn(t, dir, wan.Host("b", outsideAddr), "--peer", a.addr("/ip4/192.0.1.130/tcp/"))
			b.reaches(20*time.Second, a, "direct")
			a.put("k", "v")
			b.gets(10*time.Second, "k", "v")
			require.Equal(t, "ok", a.checked("port mapping"), "also when others see it come from the mapped address")
			if tried := home.Silence(); protocol == netlab.UPnP { // it is asked now and then, and no answer is waited for for minutes
				netlab.Eventually(t, 40*time.Second, tried, "the router is asked")
			}
			begun := time.Now()
			a.end()
			require.Less(t, time.Since(begun), 6*time.Second, "a router that answers no more does not hold up the end")
		})
	}
}

// A machine that is carried from a network where no router maps ports to one where the router does has its port mapped there.
func TestNetPortMappingElsewhere(t *testing.T) {
	for _, protocol := range []string{netlab.UPnP, netlab.NATPMP} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel() // they mostly wait
			wan, dir := newLAN(t)
			office, home := wan.NAT("office", "192.0.1.131/25", netlab.Cone, "10.2.0.1/24"), wan.NAT("home", mappingAddr, netlab.Cone, "10.1.0.1/24")
			home.MapsPorts(protocol)
			b := serveOn(t, dir, wan.Host("b", outsideAddr))
			a := serveOn(t, dir, office.Host("a", "10.2.0.2/24"), "--peer", b.addr("/ip4/192.0.1.129/tcp/"))
			a.reaches(20*time.Second, b, "direct")
			a.logs(40*time.Second, "no router here maps ports")
			require.Equal(t, "note", a.checked("port mapping"))
			a.host.Move(home, "10.1.0.2/24")
			a.put("k", "v")
			b.gets(20*time.Second, "k", "v")
			netlab.Eventually(t, 40*time.Second, func() bool { return a.checked("port mapping") == "ok" }, "the port is mapped: %s", home.Mapped())
			a.addr("/ip4/192.0.1.130/tcp/")
		})
	}
}
