//go:build linux

// Package netlab makes small networks of Linux network namespaces for tests: switches,
// routers with network address translation, and hosts behind them, linked to each other
// and to nothing else: no packet leaves the machine.
//
//	lab := netlab.New(t)
//	wan := lab.Switch("wan")
//	relay := wan.Host("relay", "192.0.0.129/25")
//	home := wan.NAT("home", "192.0.0.130/25", netlab.Cone, "10.1.0.1/24")
//	a := home.Host("a", "10.1.0.2/24")
//	out, err := a.Command(ctx, "ping", "-c1", "192.0.0.129").CombinedOutput()
//
// It needs root and the programs ip and nft; a test that lacks one of them is skipped,
// saying which. All namespaces are fresh and go with the test.
//
// Addresses of 192.0.0.128/25 are not routed on the internet and yet count as public in
// libp2p, which punches holes between public addresses only.
package netlab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Lab is a set of networks that end with a test.
type Lab struct {
	t testing.TB
	n int
}

var labs atomic.Uint64

// New begins a lab, or skips the test where one cannot be made.
func New(t testing.TB) *Lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root, to make network namespaces")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: needs the program %s (packages iproute2, nftables)", tool)
		}
	}
	l := &Lab{t: t, n: int(labs.Add(1))}
	if out, err := exec.Command("ip", "netns", "add", l.name("probe")).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: may not make a network namespace here: %s", out)
	}
	_ = exec.Command("ip", "netns", "del", l.name("probe")).Run()
	return l
}

// name is that of a namespace of this lab alone.
func (l *Lab) name(s string) string { return fmt.Sprintf("mkv%d-%d-%s", os.Getpid(), l.n, s) }

// run runs a shell script and ends the test if it fails.
func (l *Lab) run(script string) {
	l.t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		l.t.Fatalf("netlab: %v: %s\nin: %s", err, out, script)
	}
}

// namespace makes a namespace with its loopback up.
func (l *Lab) namespace(name string) string {
	l.t.Helper()
	ns := l.name(name)
	l.t.Cleanup(func() { drop(ns) })
	l.run("ip netns add " + ns + "\n" + in(ns, "ip link set lo up",
		"for f in all default; do for k in accept_dad accept_ra; do echo 0 > /proc/sys/net/ipv6/conf/$f/$k || true; done; done"))
	return ns
}

// drop ends what still runs in a namespace, and deletes it.
func drop(ns string) {
	pids, _ := exec.Command("ip", "netns", "pids", ns).Output()
	for _, pid := range strings.Fields(string(pids)) {
		_ = exec.Command("kill", "-9", pid).Run()
	}
	_ = exec.Command("ip", "netns", "del", ns).Run()
}

// in runs commands inside a namespace.
func in(ns string, commands ...string) string {
	return "ip netns exec " + ns + " sh -ec '" + strings.Join(commands, "\n") + "'"
}

// A Switch is a network segment: what is plugged in hears all others.
type Switch struct {
	lab    *Lab
	ns     string
	bridge string
	ports  int
	gate   netip.Addr // the way out for hosts, not valid if there is none
}

// Switch makes a segment of its own.
func (l *Lab) Switch(name string) *Switch {
	l.t.Helper()
	s := &Switch{lab: l, ns: l.namespace(name), bridge: "br0"}
	l.run(in(s.ns, "ip link add name br0 type bridge forward_delay 0", "ip link set br0 up"))
	return s
}

// plug links a namespace to the segment by an interface with the given addresses.
func (s *Switch) plug(ns, dev string, addrs ...string) {
	s.lab.t.Helper()
	s.ports++
	port := fmt.Sprintf("p%d", s.ports)
	script := []string{
		fmt.Sprintf("ip link add %s netns %s type veth peer name %s netns %s", port, s.ns, dev, ns),
		in(s.ns, "ip link set "+port+" master "+s.bridge, "ip link set "+port+" up"),
		in(ns, "ip link set "+dev+" up"),
	}
	for _, a := range addrs {
		script = append(script, in(ns, "ip addr add "+a+" dev "+dev+" "+noDAD(a)))
	}
	s.lab.run(strings.Join(script, "\n"))
}

func noDAD(addr string) string {
	if strings.Contains(addr, ":") {
		return "nodad"
	}
	return ""
}

// A Host is a machine with one interface, eth0.
type Host struct {
	lab  *Lab
	ns   string
	seg  *Switch
	Name string
	IP   string // the first address, without its prefix length
}

// Host plugs in a machine with the given addresses, such as 10.0.0.2/24; where the
// segment belongs to a router, that is the default route.
func (s *Switch) Host(name string, addrs ...string) *Host {
	s.lab.t.Helper()
	h := &Host{lab: s.lab, ns: s.lab.namespace(name), seg: s, Name: name}
	s.plug(h.ns, "eth0", addrs...)
	h.IP, _, _ = strings.Cut(addrs[0], "/")
	h.route()
	return h
}

func (h *Host) route() {
	h.lab.t.Helper()
	if h.seg.gate.IsValid() {
		h.lab.run(in(h.ns, "ip route replace default via "+h.seg.gate.String()))
	} else {
		h.lab.run(in(h.ns, "ip route replace default dev eth0 || true", "ip -6 route replace default dev eth0 || true"))
	}
}

// Command prepares a program to run on the machine. It is killed when ctx ends.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.ns, name}, args...)...)
}

// Readdress replaces the machine's addresses.
func (h *Host) Readdress(addrs ...string) {
	h.lab.t.Helper()
	script := []string{"ip addr flush dev eth0 scope global"}
	for _, a := range addrs {
		script = append(script, "ip addr add "+a+" dev eth0 "+noDAD(a))
	}
	h.lab.run(in(h.ns, script...))
	h.IP, _, _ = strings.Cut(addrs[0], "/")
	h.route()
}

// Address gives the machine a further address.
func (h *Host) Address(addr string) {
	h.lab.t.Helper()
	h.lab.run(in(h.ns, "ip addr add "+addr+" dev eth0 "+noDAD(addr)))
}

// Move unplugs the machine, and plugs it into another segment with the given addresses.
func (h *Host) Move(to *Switch, addrs ...string) {
	h.lab.t.Helper()
	h.lab.run(in(h.ns, "ip link del eth0"))
	to.plug(h.ns, "eth0", addrs...)
	h.seg = to
	h.IP, _, _ = strings.Cut(addrs[0], "/")
	h.route()
}

// Deaf keeps mDNS from the machine.
func (h *Host) Deaf() *Host {
	h.lab.t.Helper()
	h.lab.run(in(h.ns, "nft add table inet deaf", `nft "add chain inet deaf entering { type filter hook input priority 0; }"`, "nft add rule inet deaf entering udp dport 5353 drop"))
	return h
}

// Unplug takes the machine's link down, Plug up again.
func (h *Host) Unplug() { h.lab.t.Helper(); h.lab.run(in(h.ns, "ip link set eth0 down")) }

// Plug takes the machine's link up.
func (h *Host) Plug() {
	h.lab.t.Helper()
	h.lab.run(in(h.ns, "ip link set eth0 up"))
	h.route()
}

// Bytes are those that the interface has received and sent, headers included.
func (h *Host) Bytes() (in, out int64) {
	h.lab.t.Helper()
	b, err := exec.Command("ip", "netns", "exec", h.ns, "cat", "/sys/class/net/eth0/statistics/rx_bytes", "/sys/class/net/eth0/statistics/tx_bytes").Output()
	if err == nil {
		_, err = fmt.Sscan(string(b), &in, &out)
	}
	if err != nil {
		h.lab.t.Fatalf("netlab: reading the counters of %s: %v", h.Name, err)
	}
	return in, out
}

// Mapping says how a router chooses the outside port of a connection.
type Mapping int

const (
	// Cone keeps the port where it can, the same for all destinations (endpoint-independent
	// mapping, RFC 4787): holes can be punched.
	Cone Mapping = iota
	// Symmetric draws another port for each destination: they cannot.
	Symmetric
)

// NAT plugs a router into the segment that hides a network of its own behind one
// address. It lets in only what answers something sent out.
func (s *Switch) NAT(name, outside string, m Mapping, inside string) *Switch {
	s.lab.t.Helper()
	l := s.lab
	r := &Switch{lab: l, ns: l.namespace(name), bridge: "lan"}
	s.plug(r.ns, "wan", outside)
	gate, _, _ := strings.Cut(inside, "/")
	r.gate = netip.MustParseAddr(gate)
	random := map[Mapping]string{Cone: "", Symmetric: " fully-random"}[m]
	rules := `table ip nat {
	chain post {
		type nat hook postrouting priority 100;
		oifname "wan" masquerade` + random + `;
	}
}
table inet filter {
	chain passing {
		type filter hook forward priority 0; policy drop;
		iifname "lan" accept;
		ct state established,related accept;
	}
	chain entering {
		type filter hook input priority 0;
		iifname "wan" ct state new drop;
	}
}`
	l.run(in(r.ns, "ip link add name lan type bridge forward_delay 0", "ip addr add "+inside+" dev lan", "ip link set lan up",
		"echo 1 > /proc/sys/net/ipv4/ip_forward", "ip route replace default dev wan", "nft -f - <<EOF\n"+rules+"\nEOF"))
	return r
}

// Eventually waits until ok holds, looking every 20 ms, and ends the test if it does not
// within the time. It returns how long that took.
func Eventually(t testing.TB, within time.Duration, ok func() bool, format string, args ...any) time.Duration {
	t.Helper()
	begun := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(begun) > within {
			t.Fatalf("not within %v: %s", within, fmt.Sprintf(format, args...))
		}
		<-tick.C
	}
	return time.Since(begun)
}
