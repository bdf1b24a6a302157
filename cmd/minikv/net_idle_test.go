//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
)

var (
	idleFor    = flag.Duration("net.idle", 0, "how long TestNetIdle watches a mesh of 8 that has nothing to do; 0: not at all")
	punchTimes = flag.Int("net.punch", 0, "how often TestNetPunchRate punches a hole with each transport; 0: not at all")
)

// usage is what a process has used.
type usage struct {
	cpu time.Duration
	rss int64 // bytes
}

// used reads what the node's process has used; the process that ip started is the program itself.
func (n *netNode) used() usage {
	n.t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	require.NoError(n.t, err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	user, err := strconv.Atoi(f[11])
	require.NoError(n.t, err)
	system, err := strconv.Atoi(f[12])
	require.NoError(n.t, err)
	statm, err := os.ReadFile(filepath.Join(dir, "statm"))
	require.NoError(n.t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	require.NoError(n.t, err)
	return usage{cpu: time.Duration(user+system) * 10 * time.Millisecond, rss: pages * int64(os.Getpagesize())}
}

// What each node of an idle mesh of 8 may cost.
const (
	idleBytes  = 1000 // a minute and peer, at the interface, both ways together
	idleCPU    = 0.5  // per cent of a core
	idleMemory = 60   // MiB resident

	// idleNotice is after how long all have noticed one that is gone without a word.
	idleNotice = 280 * time.Second
)

// TestNetIdle measures what a mesh of 8 edge nodes costs that has nothing to do: bytes at the interface, headers of all layers and
// multicast included, both ways together, for each peer and minute; processor and memory of each node, which runs the program as it is
// released. With -net.idle.
func TestNetIdle(t *testing.T) {
	if *idleFor == 0 {
		t.Skip("SKIPPED: takes minutes; give -net.idle 5m")
	}
	const nodes = 8
	for _, transport := range []string{"both", "tcp", "quic"} {
		t.Run(transport, func(t *testing.T) {
			lan, dir := newLAN(t)
			buildRelease(t, filepath.Join(dir, "minikv"))
			var all []*netNode
			for i := range nodes {
				host := lan.Host(fmt.Sprintf("n%d", i), fmt.Sprintf("192.168.5.%d/24", i+1))
				all = append(all, serveOn(t, dir, host, append(listens(transport), "--profile", "edge", "--dir", filepath.Join(dir, host.Name+".d"))...))
			}
			all[0].load("some", 1000)
			equal(t, time.Minute, 1000, all...)
			for _, n := range all {
				netlab.Eventually(t, time.Minute, func() bool {
					peers, err := n.client.Peers(t.Context())
					return err == nil && len(peers) == nodes-1
				}, "all linked")
			}
			<-time.After(20 * time.Second) // what follows a start is over
			var before []usage
			var bytes []int64
			for _, n := range all {
				in, out := n.host.Bytes()
				before, bytes = append(before, n.used()), append(bytes, in+out)
			}
			begun := time.Now()
			<-time.After(*idleFor)
			took := time.Since(begun)
			var each, cpu, rss []float64
			for i, n := range all {
				in, out := n.host.Bytes()
				u := n.used()
				each = append(each, float64(in+out-bytes[i])/took.Minutes()/(nodes-1))
				cpu = append(cpu, 100*float64(u.cpu-before[i].cpu)/float64(took))
				rss = append(rss, float64(u.rss)/(1<<20))
			}
			t.Logf("%s, %v: bytes a minute and peer, both ways: mean %.0f, most %.0f; processor: mean %.2f %%, most %.2f %%; resident: mean %.1f MiB, most %.1f MiB",
				transport, took.Round(time.Second), mean(each), slices.Max(each), mean(cpu), slices.Max(cpu), mean(rss), slices.Max(rss))
			require.LessOrEqual(t, slices.Max(each), float64(idleBytes), "bytes a minute and peer")
			require.LessOrEqual(t, slices.Max(cpu), float64(idleCPU), "per cent of a core; other work on this machine counts against it")
			require.LessOrEqual(t, slices.Max(rss), float64(idleMemory), "MiB resident")

			frozen := all[nodes-1]
			require.NoError(t, frozen.cmd.Process.Signal(syscall.SIGSTOP))
			t.Logf("%s: a node that says no more is noticed after %v", transport, netlab.Eventually(t, idleNotice, func() bool {
				for _, n := range all[:nodes-1] {
					if n.peer(frozen).Connected {
						return false
					}
				}
				return true
			}, "the frozen node is noticed"))
		})
	}
}

// buildRelease builds the program with the flags of a release in the place of this test's own, which holds more.
func buildRelease(t *testing.T, file string) {
	t.Helper()
	require.NoError(t, os.Remove(file))
	out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, ".").CombinedOutput()
	require.NoError(t, err, string(out))
}

func mean(x []float64) (sum float64) {
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// TestNetPunchRate counts how often a hole is punched, and how soon after both nodes are up. With -net.punch.
func TestNetPunchRate(t *testing.T) {
	if *punchTimes == 0 {
		t.Skip("SKIPPED: takes minutes; give -net.punch 10")
	}
	for _, transport := range []string{"quic", "tcp"} {
		var took []time.Duration
		for i := range *punchTimes {
			t.Run(fmt.Sprint(transport, i), func(t *testing.T) {
				n := newInternet(t, netlab.Cone, "members", transport)
				took = append(took, n.a.reaches(60*time.Second, n.b, "punched"))
			})
		}
		slices.Sort(took)
		t.Logf("%s: %d of %d punched, median %v, longest %v", transport, len(took), *punchTimes, took[len(took)/2], took[len(took)-1])
	}
}
