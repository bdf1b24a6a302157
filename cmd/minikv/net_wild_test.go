//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
)

// run runs a command against the node, as somebody at it would, and returns what it prints.
func (n *netNode) run(stdin string, args ...string) string {
	n.t.Helper()
	out, code := n.try(stdin, args...)
	require.Zero(n.t, code, "minikv %s: %s", strings.Join(args, " "), out)
	return out
}

func (n *netNode) try(stdin string, args ...string) (string, int) {
	n.t.Helper()
	var out strings.Builder
	a := newApp()
	a.stdin, a.stderr, a.tty = strings.NewReader(stdin), &out, false
	a.stdout.Reset(&out)
	a.getenv = func(string) string { return "" }
	code := run(a, append([]string{"--addr", n.client.Addr().String()}, args...))
	return strings.TrimSpace(out.String()), code
}

// prints waits until a command prints what is wanted.
func (n *netNode) prints(within time.Duration, want string, args ...string) time.Duration {
	n.t.Helper()
	return netlab.Eventually(n.t, within, func() bool { out, code := n.try("", args...); return code == 0 && out == want }, "%s: minikv %s prints %q", n.host.Name, strings.Join(args, " "), want)
}

// Two people at home behind routers of their own, and a phone that both know nothing of, share a registry by one pasted line. None of them has a
// server: what they use of others is a hash table and relays that are there for anyone, and that learn nothing but who is there.
func TestNetNoServerOfTheirOwn(t *testing.T) {
	ipfs := []string{"--bootstrap", "ipfs"}
	for name, c := range map[string]struct {
		mapping netlab.Mapping
		path    string
		dht     []string
	}{
		"punched":                        {netlab.Cone, "punched", nil},
		"relayed by anyone's":            {netlab.Symmetric, "relayed", nil},
		"with the DHT's public protocol": {netlab.Cone, "punched", ipfs},
	} {
		t.Run(name, func(t *testing.T) {
			wan, dir := netlab.New(t).Switch("wan"), netDir(t)
			stranger := startOn(t, dir, wan.Host("stranger", relayAddr).Deaf(), append(c.dht, "--discovery", "dht", "--relay-service=anyone")...)
			via := stranger.addr("/ip4/192.0.0.129/tcp/")
			other := startOn(t, dir, wan.Host("other", thirdAddr).Deaf(), append(c.dht, "--discovery", "dht", "--relay-service=anyone", "--bootstrap", via)...)
			person := func(name, outside, inside, host string) *netNode {
				return startOn(t, dir, wan.NAT(name+"-router", outside, c.mapping, inside).Host(name, host), append(c.dht, "--discovery", "dht", "--bootstrap", via)...)
			}
			ann := person("ann", homeAddr, "10.1.0.1/24", "10.1.0.2/24")
			ben := person("ben", officeAddr, "10.2.0.1/24", "10.2.0.2/24")
			ann.run("from the start", "put", "default", "greeting")

			line := ann.run("", "ticket", "default", "--write", "--expires", "24h")
			begun := time.Now()
			ben.run(line, "join", "-")
			ben.prints(60*time.Second, "from the start", "get", "default", "greeting")
			t.Logf("the first entry %v after the line was pasted", time.Since(begun).Round(10*time.Millisecond))
			ben.reaches(60*time.Second, ann, c.path)
			t.Logf("%s after %v", c.path, time.Since(begun).Round(10*time.Millisecond))

			doctor := ann.run("", "doctor")
			require.Equal(t, c.mapping == netlab.Symmetric, strings.Contains(doctor, "symmetric NAT"), doctor)

			phone := person("phone", "192.0.0.133/25", "10.3.0.1/24", "10.3.0.2/24")
			phone.run(ann.run("", "ticket", "default", "--read"), "join", "-")
			phone.prints(60*time.Second, "from the start", "get", "default", "greeting")
			for i := range 3 {
				value := fmt.Sprint("value ", i)
				ben.run(value, "put", "default", "key")
				for _, n := range []*netNode{ann, phone} {
					t.Logf("a write reached %s after %v", n.host.Name, n.prints(30*time.Second, value, "get", "default", "key").Round(10*time.Millisecond))
				}
			}
			out, code := phone.try("mine", "put", "default", "key")
			require.Equal(t, 1, code)
			require.Contains(t, out, "read-only")
			for _, n := range []*netNode{stranger, other} {
				require.NotContains(t, n.run("", "ls", "default"), "key")
				out, code := n.try(line+"x", "join", "-")
				require.Equal(t, 1, code, out)
			}
		})
	}
}

// The line alone is enough for somebody behind a router who was told of nothing else: it names the relay through which its maker is reached.
func TestNetTicketNamesTheRelay(t *testing.T) {
	wan, dir := netlab.New(t).Switch("wan"), netDir(t)
	relay := startOn(t, dir, wan.Host("relay", relayAddr), "--relay-service=anyone")
	ann := startOn(t, dir, wan.NAT("home", homeAddr, netlab.Cone, "10.1.0.1/24").Host("ann", "10.1.0.2/24"), "--relay", relay.addr("/ip4/192.0.0.129/", "/tcp/"))
	ben := startOn(t, dir, wan.NAT("office", officeAddr, netlab.Cone, "10.2.0.1/24").Host("ben", "10.2.0.2/24"))
	ann.run("v", "put", "default", "k")
	ann.addr("/ip4/192.0.0.129/", "/p2p-circuit") // it has a place at the relay
	ben.run(ann.run("", "ticket", "default", "--write"), "join", "-")
	t.Logf("the first entry after %v", ben.prints(20*time.Second, "v", "get", "default", "k"))
	ben.reaches(20*time.Second, ann, "punched")
	relay.kill()
	ben.run("w", "put", "default", "k")
	ann.prints(5*time.Second, "w", "get", "default", "k")
}

// Both carry their machines elsewhere at the same time, so that neither address that they knew of each other leads anywhere, and find each other
// again without a restart.
func TestNetBothMove(t *testing.T) {
	wan, dir := netlab.New(t).Switch("wan"), netDir(t)
	stranger := startOn(t, dir, wan.Host("stranger", relayAddr).Deaf(), "--discovery", "dht", "--relay-service=anyone")
	behind := func(name, outside, inside string) *netlab.Switch { return wan.NAT(name, outside, netlab.Cone, inside) }
	homes := []*netlab.Switch{behind("home", homeAddr, "10.1.0.1/24"), behind("office", officeAddr, "10.2.0.1/24")}
	cafes := []*netlab.Switch{behind("cafe", "192.0.0.140/25", "10.3.0.1/24"), behind("train", "192.0.0.141/25", "10.4.0.1/24")}
	var people []*netNode
	for i, name := range []string{"ann", "ben"} {
		host := homes[i].Host(name, fmt.Sprintf("10.%d.0.2/24", i+1))
		people = append(people, startOn(t, dir, host, "--discovery", "dht", "--bootstrap", stranger.addr("/ip4/192.0.0.129/tcp/")))
	}
	ann, ben := people[0], people[1]
	ben.run(ann.run("", "ticket", "default", "--write"), "join", "-")
	ben.reaches(60*time.Second, ann, "punched")
	for i, p := range people {
		p.host.Move(cafes[i], fmt.Sprintf("10.%d.0.2/24", i+3))
	}
	begun := time.Now()
	ann.run("from the cafe", "put", "default", "k")
	ben.prints(60*time.Second, "from the cafe", "get", "default", "k")
	t.Logf("a write arrived %v after both had moved", time.Since(begun).Round(10*time.Millisecond))
	ben.reaches(60*time.Second, ann, "punched")
	t.Logf("punched after %v", time.Since(begun).Round(10*time.Millisecond))
}
