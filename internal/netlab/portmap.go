//go:build linux

package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// How a router is asked for port mappings.
const (
	UPnP   = "upnp"
	NATPMP = "natpmp"
)

// MapsPorts starts a daemon on the router of the segment that maps ports for the machines behind it, as asked by one
// protocol, UPnP or NATPMP: miniupnpd, which many routers run. It wants an outside address that counts as public; those of
// 192.0.0.0/24 do not, those of 192.0.1.0/24 do, and neither is routed on the internet. Without the program the test is skipped.
// The daemon ends with the test, or with a call of stop; its rules stay, as when it is killed.
func (s *Switch) MapsPorts(protocol string) (stop func()) {
	s.lab.t.Helper()
	daemon, err := exec.LookPath("miniupnpd")
	if err != nil {
		s.lab.t.Skip("SKIPPED: needs the program miniupnpd (package miniupnpd-nftables): port mapping is not tested against a router")
	}
	dir := s.lab.t.TempDir()
	conf := filepath.Join(dir, "conf")
	yes := map[bool]string{true: "yes", false: "no"}
	text := strings.Join([]string{
		"ext_ifname=wan", "listening_ip=lan", "ipv6_disable=yes", "secure_mode=yes", "system_uptime=yes", "uuid=21f9bf0f-f9ab-4752-bd36-dfa2727116f1",
		"enable_upnp=" + yes[protocol == UPnP], "enable_natpmp=" + yes[protocol == NATPMP], "lease_file=" + filepath.Join(dir, "leases"),
		"upnp_table_name=filter", "upnp_nat_table_name=mapped", "allow 1024-65535 0.0.0.0/0 1024-65535",
	}, "\n") + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		s.lab.t.Fatalf("netlab: %v", err)
	}
	// The daemon fills chains; that they are passed through is the router's business.
	rules := `table inet filter {
	chain miniupnpd {
	}
	chain passing {
		jump miniupnpd;
	}
}
table inet mapped {
	chain prerouting_miniupnpd {
	}
	chain postrouting_miniupnpd {
	}
	chain pre {
		type nat hook prerouting priority -100;
		jump prerouting_miniupnpd;
	}
	chain post {
		type nat hook postrouting priority 90;
		jump postrouting_miniupnpd;
	}
}`
	s.lab.run(in(s.ns, "nft list chain inet filter miniupnpd >/dev/null 2>&1 || nft -f - <<EOF\n"+rules+"\nEOF"))
	log := filepath.Join(dir, "log")
	out, err := os.Create(log)
	if err != nil {
		s.lab.t.Fatalf("netlab: %v", err)
	}
	defer out.Close()
	cmd := exec.Command("ip", "netns", "exec", s.ns, daemon, "-d", "-f", conf, "-P", filepath.Join(dir, "pid"))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.lab.t.Fatalf("netlab: starting %s: %v", daemon, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	s.lab.t.Cleanup(func() {
		stop()
		if s.lab.t.Failed() {
			text, _ := os.ReadFile(log)
			s.lab.t.Logf("log of miniupnpd:\n%s", text)
			rules, _ := exec.Command("ip", "netns", "exec", s.ns, "nft", "list", "ruleset").CombinedOutput()
			s.lab.t.Logf("rules of the router:\n%s", rules)
		}
	})
	return stop
}

// Silence has the router of the segment answer nothing any more that is sent to itself; it passes on what it did before.
// It returns a function that says whether anybody has tried to connect to it since.
func (s *Switch) Silence() (tried func() bool) {
	s.lab.t.Helper()
	s.lab.run(in(s.ns, `nft insert rule inet filter entering iifname "lan" drop`, `nft insert rule inet filter entering iifname "lan" meta l4proto tcp counter drop`))
	return func() bool {
		s.lab.t.Helper()
		out, err := exec.Command("ip", "netns", "exec", s.ns, "nft", "list", "chain", "inet", "filter", "entering").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "counter packets ") {
			s.lab.t.Fatalf("netlab: no counter on %s: %v: %s", s.ns, err, out)
		}
		return !strings.Contains(string(out), "counter packets 0 ")
	}
}

// Mapped are the port mappings that the router holds, as text.
func (s *Switch) Mapped() string {
	out, err := exec.Command("ip", "netns", "exec", s.ns, "nft", "list", "chain", "inet", "mapped", "prerouting_miniupnpd").CombinedOutput()
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(out)
}
