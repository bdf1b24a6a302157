//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
	"github.com/minikv/minikv/server/admin"
)

// netNode is a running `minikv serve` on a machine of a lab.
type netNode struct {
	*proc
	t    *testing.T
	host *netlab.Host
	dir  string
}

// A public segment, and the addresses on it.
const (
	relayAddr, homeAddr, officeAddr, thirdAddr = "192.0.0.129/25", "192.0.0.130/25", "192.0.0.131/25", "192.0.0.132/25"
)

// netDir is a directory whose path is short enough for a socket, with this program in it under the name minikv.
func netDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mkv")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "minikv")))
	return dir
}

// serveOn starts a node with the public registry r on a machine and waits until it answers.
func serveOn(t *testing.T, dir string, h *netlab.Host, args ...string) *netNode {
	t.Helper()
	return startOn(t, dir, h, append([]string{"--public", "r"}, args...)...)
}

// startOn starts a node with the arguments alone, so with its own private registry default, and waits until it answers.
func startOn(t *testing.T, dir string, h *netlab.Host, args ...string) *netNode {
	t.Helper()
	sock := filepath.Join(dir, h.Name+".sock")
	all := []string{"serve", "--name", h.Name, "--admin", "unix:" + sock, "-v"}
	if !contains(args, "--dir") {
		all = append(all, "--memory")
	}
	addr, err := admin.ParseAddr("unix:" + sock)
	require.NoError(t, err)
	cmd := h.Command(context.Background(), filepath.Join(dir, "minikv"), append(all, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	log, err := os.OpenFile(filepath.Join(dir, h.Name+".err"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	cmd.Stderr = log
	said, err := os.OpenFile(filepath.Join(dir, h.Name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer said.Close()
	cmd.Stdout = said
	n := &netNode{proc: &proc{cmd: cmd, client: admin.NewClient(addr), log: log.Name(), exited: make(chan struct{})}, t: t, host: h, dir: dir}
	require.NoError(t, cmd.Start())
	go func() { n.err = cmd.Wait(); close(n.exited) }()
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			text, _ := os.ReadFile(n.log)
			t.Logf("log of %s:\n%s", h.Name, tail(string(text), 150))
		}
	})
	require.NoError(t, n.ready())
	return n
}

func tail(s string, lines int) string {
	all := slices.DeleteFunc(strings.Split(s, "\n"), func(line string) bool { return strings.Contains(line, "call failed") })
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// kill ends the node at once; it may have ended.
func (n *netNode) kill() {
	n.client.Close()
	_ = n.cmd.Process.Kill()
	<-n.exited
}

// end ends the node cleanly.
func (n *netNode) end() { n.t.Helper(); require.NoError(n.t, n.stop(15)) }

// addr is an address of the node that contains all the given parts. It waits a while for one.
func (n *netNode) addr(parts ...string) (found string) {
	n.t.Helper()
	netlab.Eventually(n.t, 10*time.Second, func() bool {
		s, err := n.client.Status(context.Background())
		require.NoError(n.t, err)
		i := slices.IndexFunc(s.Addrs, func(a string) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(a, p) })
		})
		if i >= 0 {
			found = s.Addrs[i]
		}
		return i >= 0
	}, "an address of %s with %v", n.host.Name, parts)
	return found
}

// peer is what the node knows of another one.
func (n *netNode) peer(other *netNode) admin.Peer {
	peers, err := n.client.Peers(context.Background())
	if err != nil {
		return admin.Peer{}
	}
	for _, p := range peers {
		if p.ID == other.status.Node {
			return p
		}
	}
	return admin.Peer{}
}

// reaches waits until the node is connected to another one by such a path, and says how long that took.
func (n *netNode) reaches(within time.Duration, other *netNode, path string) time.Duration {
	n.t.Helper()
	return netlab.Eventually(n.t, within, func() bool { return n.peer(other).Path == path }, "%s reaches %s: %s", n.host.Name, other.host.Name, path)
}

func (n *netNode) put(key, value string) {
	n.t.Helper()
	_, err := n.client.Put(context.Background(), "r", key, []byte(value), admin.PutParams{})
	require.NoError(n.t, err)
}

// says waits until the node has printed a text.
func (n *netNode) says(within time.Duration, text string) {
	n.t.Helper()
	netlab.Eventually(n.t, within, func() bool {
		said, err := os.ReadFile(filepath.Join(n.dir, n.host.Name+".out"))
		return err == nil && strings.Contains(string(said), text)
	}, "%s prints %q", n.host.Name, text)
}

// logs waits until the node has logged a text.
func (n *netNode) logs(within time.Duration, text string) {
	n.t.Helper()
	netlab.Eventually(n.t, within, func() bool {
		log, err := os.ReadFile(n.log)
		return err == nil && strings.Contains(string(log), text)
	}, "%s logs %q", n.host.Name, text)
}

// checked is what doctor says of a subject.
func (n *netNode) checked(subject string) (state string) {
	checks, err := n.client.Doctor(context.Background())
	if err != nil {
		return err.Error()
	}
	for _, c := range checks {
		if c.Name == subject {
			state = c.State
		}
	}
	return state
}

func (n *netNode) has(key, value string) bool {
	e, err := n.client.Get(context.Background(), "r", key)
	return err == nil && string(e.Value) == value
}

// gets waits until the node has a value that another one wrote.
func (n *netNode) gets(within time.Duration, key, value string) time.Duration {
	n.t.Helper()
	return netlab.Eventually(n.t, within, func() bool { return n.has(key, value) }, "%s gets %q", n.host.Name, key)
}

// drop takes a registry from the node.
func (n *netNode) drop(reg string) {
	n.t.Helper()
	require.NoError(n.t, n.client.DropRegistry(context.Background(), reg))
}

// load writes records with the import command.
func (n *netNode) load(prefix string, records int) {
	n.t.Helper()
	file := filepath.Join(n.dir, prefix+".jsonl")
	f, err := os.Create(file)
	require.NoError(n.t, err)
	for i := range records {
		line, err := json.Marshal(map[string]string{"key": fmt.Sprintf("%s/%06d", prefix, i), "value": fmt.Sprintf("%s: value number %d, of about 100 bytes as many records have that describe some thing in the world", prefix, i)})
		require.NoError(n.t, err)
		_, err = fmt.Fprintf(f, "%s\n", line)
		require.NoError(n.t, err)
	}
	require.NoError(n.t, f.Close())
	var out strings.Builder
	require.Equal(n.t, 0, runCLI(n.t, &out, "--addr", n.client.Addr().String(), "import", "r", file), out.String())
}

// equal waits until the nodes hold the same, so many keys, and says how long that took.
func equal(t *testing.T, within time.Duration, keys int, nodes ...*netNode) time.Duration {
	t.Helper()
	return netlab.Eventually(t, within, func() bool {
		root := ""
		for _, n := range nodes {
			reg, err := shared(context.Background(), n.client)
			if err != nil || reg.Keys != keys || root != "" && reg.Root != root {
				return false
			}
			root = reg.Root
		}
		return true
	}, "%d equal keys", keys)
}

// internet is a public segment with a relay, and a node behind each of two routers. The two know the relay alone.
type internet struct {
	wan          *netlab.Switch
	home, office *netlab.Switch
	relay, a, b  *netNode
	dir          string
}

// newInternet starts the relay and the two nodes, those with further arguments if need be.
func newInternet(t *testing.T, mapping netlab.Mapping, service, transport string, args ...string) *internet {
	t.Helper()
	lab := netlab.New(t)
	n := &internet{dir: netDir(t), wan: lab.Switch("wan")}
	n.home = n.wan.NAT("home", homeAddr, mapping, "10.1.0.1/24")
	n.office = n.wan.NAT("office", officeAddr, mapping, "10.2.0.1/24")
	n.relay = serveOn(t, n.dir, n.wan.Host("relay", relayAddr), "--relay-service="+service)
	n.a = n.join(t, n.home, "a", "10.1.0.2/24", transport, args...)
	n.b = n.join(t, n.office, "b", "10.2.0.2/24", transport, args...)
	return n
}

// listens are the addresses of a transport, "tcp" or "quic", as flags.
func listens(transport string) []string {
	switch transport {
	case "tcp":
		return []string{"--listen", "/ip4/0.0.0.0/tcp/7420"}
	case "quic":
		return []string{"--listen", "/ip4/0.0.0.0/udp/7420/quic-v1"}
	}
	return nil
}

func (n *internet) join(t *testing.T, seg *netlab.Switch, name, addr, transport string, args ...string) *netNode {
	t.Helper()
	via := n.relay.addr("/ip4/192.0.0.129/", map[string]string{"tcp": "/tcp/"}[transport])
	if transport == "quic" {
		via = n.relay.addr("/ip4/192.0.0.129/", "/quic-v1/")
	}
	return serveOn(t, n.dir, seg.Host(name, addr), append(append(listens(transport), "--relay", via), args...)...)
}
