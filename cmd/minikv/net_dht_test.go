//go:build linux

package main

import (
	"fmt"
	"testing"
	"time"
)

// Three nodes that hear no multicast and know no address but that of a node of the DHT, which shares nothing with them, come together.
func TestNetDHT(t *testing.T) {
	wan, dir := newLAN(t)
	first := serveOn(t, dir, wan.Host("first", relayAddr).Deaf(), "--discovery", "dht")
	second := serveOn(t, dir, wan.Host("second", homeAddr).Deaf(), "--discovery", "dht", "--bootstrap", first.addr("/ip4/192.0.0.129/tcp/"))
	first.drop("r")
	second.drop("r")
	var nodes []*netNode
	for i := range 3 {
		host := wan.Host(fmt.Sprintf("n%d", i), fmt.Sprintf("192.0.0.%d/25", 140+i)).Deaf()
		nodes = append(nodes, serveOn(t, dir, host, "--discovery", "dht", "--bootstrap", first.addr("/ip4/192.0.0.129/tcp/")))
	}
	begun := time.Now()
	nodes[0].put("k", "v")
	for _, n := range nodes[1:] {
		n.gets(30*time.Second, "k", "v")
	}
	for i, n := range nodes {
		for j, other := range nodes {
			if i != j {
				n.reaches(30*time.Second, other, "direct")
			}
		}
	}
	t.Logf("all three linked after %v", time.Since(begun))
}
