//go:build linux

package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
)

// Two nodes behind routers, which know only a relay, find each other there, are linked through it, and then directly. They share 10,000
// records, and go on when the relay is gone.
func TestNetPunching(t *testing.T) {
	for name, args := range map[string][]string{"quic": nil, "tcp": nil, "quic on edge nodes": {"--profile", "edge"}} {
		t.Run(name, func(t *testing.T) {
			transport, _, _ := strings.Cut(name, " ")
			n := newInternet(t, netlab.Cone, "members", transport, args...)
			took := n.a.reaches(20*time.Second, n.b, "punched")
			n.b.reaches(20*time.Second, n.a, "punched")
			t.Logf("punched %v after both were up", took)
			n.a.load("a", 10_000)
			t.Logf("10,000 records: equal %v after", equal(t, time.Minute, 10_000, n.a, n.b))
			n.relay.kill()
			n.b.put("after", "the relay")
			n.a.gets(5*time.Second, "after", "the relay")
		})
	}
}

// Where no hole can be punched and the relay is one for anyone, with its narrow limits, the two still become equal: in pieces, each
// of which the relay cuts off. A write then takes about a second.
func TestNetRelayAlone(t *testing.T) {
	n := newInternet(t, netlab.Symmetric, "anyone", "")
	n.a.reaches(20*time.Second, n.b, "relayed")
	n.b.reaches(20*time.Second, n.a, "relayed")
	require.True(t, n.a.peer(n.b).Limited)
	n.relay.drop("r")
	netlab.Eventually(t, 10*time.Second, func() bool { return len(n.a.peer(n.b).Registries) == 1 && len(n.a.peer(n.relay).Registries) == 0 }, "the relay is no member")
	n.a.load("a", 10_000)
	n.b.load("b", 100)
	t.Logf("10,100 records over a relay of 128 KiB a connection: equal %v after", equal(t, 2*time.Minute, 10_100, n.a, n.b))
	var took []time.Duration
	for i := range 10 {
		n.b.put("write", strconv.Itoa(i))
		took = append(took, n.a.gets(10*time.Second, "write", strconv.Itoa(i)))
	}
	slices.Sort(took)
	t.Logf("a write over it: median %v, longest %v", took[5], took[9])
	require.Equal(t, "relayed", n.a.peer(n.b).Path)
}
