package main

import (
	"context"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/minikv/minikv"
)

// scriptRemoved has a node in this process write keys and share them with one of the script; while they are apart it deletes them
// and forgets the deletes, so that at their next meeting the other removes them on its word.
func scriptRemoved(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || len(args)%2 != 0 || nodesOf(ts)[args[0]] == nil {
		ts.Fatalf("usage: removed NODE REG KEY VALUE...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), procWait)
	defer cancel()
	node, addr := nodesOf(ts)[args[0]], ts.Getenv(args[0]+"_ADDR")
	n, err := minikv.Open(ctx, "", minikv.Config{
		Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Discovery: minikv.DiscoveryNone, TombstoneRetention: time.Second,
	})
	ts.Check(err)
	defer func() { ts.Check(n.Close()) }()
	reg, err := n.Registry(ctx, args[1], minikv.Public())
	ts.Check(err)
	for i := 2; i < len(args); i += 2 {
		_, err := reg.Put(ctx, args[i], []byte(args[i+1]))
		ts.Check(err)
	}
	peer, err := n.Connect(ctx, addr)
	ts.Check(err)
	syncWith(ctx, ts, n, peer)
	ts.Check(n.Disconnect(ctx, peer))
	for i := 2; i < len(args); i += 2 {
		ts.Check(reg.Delete(ctx, args[i]))
	}
	awaited(ctx, ts, "the deletes are forgotten", func() bool { return reg.Metrics().Tombstones == 0 })
	_, err = n.Connect(ctx, addr)
	ts.Check(err)
	syncWith(ctx, ts, n, peer)
	awaited(ctx, ts, "the entries are kept aside", func() bool {
		list, err := node.client.Quarantined(ctx, args[1])
		ts.Check(err)
		return len(list) >= len(args)/2-1
	})
	ts.Check(n.Disconnect(ctx, peer))
}

// syncWith exchanges until both are verified equal: right after the link is up the peer may not be ready.
func syncWith(ctx context.Context, ts *testscript.TestScript, n *minikv.Node, peer minikv.PeerID) {
	awaited(ctx, ts, "an exchange", func() bool {
		_, err := n.SyncPeer(ctx, peer)
		return err == nil
	})
}

func awaited(ctx context.Context, ts *testscript.TestScript, what string, done func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("not within %s: %s", procWait, what)
		}
	}
}
