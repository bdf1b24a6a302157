//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/minikv/minikv/internal/netlab"
)

// Two nodes behind routers, which know only a relay, find each other there, are linked through it, and then directly. They share 10,000
// records, and go on when the relay is gone.
func TestNetPunching(t *testing.T) {
	for _, transport := range []string{"quic", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			n := newInternet(t, netlab.Cone, "members", transport)
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
