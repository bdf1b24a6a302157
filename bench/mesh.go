package main

import (
	"fmt"
	"time"
)

// node is a child that is an open minikv node.
type node struct {
	*child
	Identity
}

// openNodes starts n nodes that do not know each other.
func (b *bench) openNodes(n int, name string) ([]*node, func(), error) {
	return b.openNodesIn(n, name, OpenAsk{})
}

// openNodesIn gives each a directory of its own where that is asked for; a private registry is that of the first.
func (b *bench) openNodesIn(n int, name string, ask OpenAsk) ([]*node, func(), error) {
	kids, stop, err := b.startAll(n, roleNode, name)
	if err != nil {
		return nil, nil, err
	}
	nodes := make([]*node, n)
	for i, c := range kids {
		nodes[i] = &node{child: c}
		if err := c.call("Open", ask, &nodes[i].Identity); err != nil {
			stop()
			return nil, nil, err
		}
		ask.Ticket = nodes[0].Ticket
	}
	return nodes, stop, nil
}

// openMesh starts n nodes, connects each to each and waits until all have exchanged with all, and gossip carries a write
// of each to every other one.
func (b *bench) openMesh(n int, name string) ([]*node, func(), error) {
	return b.openMeshIn(n, name, OpenAsk{})
}

// openMeshIn is openMesh with directories, or a private registry, where that is asked for.
func (b *bench) openMeshIn(n int, name string, ask OpenAsk) ([]*node, func(), error) {
	nodes, stop, err := b.openNodesIn(n, name, ask)
	if err != nil {
		return nil, nil, err
	}
	if err := knit(nodes); err != nil {
		stop()
		return nil, nil, err
	}
	return nodes, stop, nil
}

func knit(nodes []*node) error {
	for i, a := range nodes {
		for _, z := range nodes[:i] {
			if err := a.call("Connect", z.Identity, &None{}); err != nil {
				return err
			}
		}
	}
	for _, a := range nodes {
		if err := a.call("AwaitSynced", len(nodes)-1, &None{}); err != nil {
			return err
		}
	}
	for i, a := range nodes {
		var f Filled
		if err := a.call("Fill", Fill{Seed: uint64(1000 + i), Keys: 10, Batch: 1}, &f); err != nil {
			return err
		}
		for _, z := range nodes {
			if err := z.call("AwaitRoot", f.Root, &None{}); err != nil {
				return fmt.Errorf("before the measurement: %w", err)
			}
		}
	}
	return nil
}

// cpuOf adds up the CPU time of nodes so far.
func cpuOf(nodes ...*node) (sum time.Duration, err error) {
	for _, n := range nodes {
		var t time.Duration
		if err := n.call("CPU", None{}, &t); err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}
