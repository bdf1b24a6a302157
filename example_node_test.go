package minikv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/minikv/minikv"
)

func ExampleConfig() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{
		NodeName:     "kiosk 7",
		Listen:       []string{"/ip4/127.0.0.1/tcp/0"},
		Durability:   minikv.DurabilityGroup,
		MaxClockSkew: 10 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	fmt.Println(node.Name(), len(node.Addrs()))
	_, err = minikv.Open(ctx, "", minikv.Config{MaxClockSkew: -1})
	fmt.Println(errors.Is(err, minikv.ErrInvalid))
	// Output:
	// kiosk 7 1
	// true
}

func ExampleNode() {
	ctx := context.Background()
	dir := exampleDir()
	defer os.RemoveAll(dir)
	for range 2 {
		node, err := minikv.Open(ctx, dir, minikv.Config{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("kept:", node.Kept())
		r, err := node.Registry(ctx, "cities", minikv.Public())
		if err != nil {
			log.Fatal(err)
		}
		n, err := r.Len(ctx)
		fmt.Println(n, err)
		r.Put(ctx, "de/hamburg", []byte("1.9M"))
		node.Close()
	}
	// Output:
	// kept: []
	// 0 <nil>
	// kept: [cities]
	// 1 <nil>
}

func ExampleDurability() {
	for _, d := range []minikv.Durability{minikv.DurabilitySync, minikv.DurabilityGroup, minikv.DurabilityAsync} {
		same, err := minikv.ParseDurability(d.String())
		fmt.Println(d, same == d, err)
	}
	// Output:
	// sync true <nil>
	// group true <nil>
	// async true <nil>
}

func ExampleDiscovery() {
	ctx := context.Background()
	// On a network without strangers nodes find each other with DiscoveryLAN; here nothing is sent to anyone.
	node, err := minikv.Open(ctx, "", minikv.Config{Discovery: minikv.DiscoveryNone})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	_, err = node.Connect(ctx, "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWCheiFXk5Kxs6WBLmGZGJNsxuR2sB71RjzuXeRoexYCmt")
	fmt.Println(errors.Is(err, minikv.ErrOffline))
	// Output: true
}

// A machine that others reach serves as a relay for the members of its registries that do not.
func ExampleRelayPolicy() {
	node, err := minikv.Open(context.Background(), "", minikv.Config{
		Listen:       []string{"/ip4/127.0.0.1/tcp/0"},
		RelayService: minikv.RelayMembers,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(node.Close())
	// Output: <nil>
}

func ExampleRegistryOption() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	opts := []minikv.RegistryOption{minikv.Public(), minikv.DefaultTTL(time.Minute)}
	r, err := node.Registry(ctx, "sessions", opts...)
	if err != nil {
		log.Fatal(err)
	}
	r.Put(ctx, "k", nil)
	left, _, err := r.TTL(ctx, "k")
	fmt.Println(left.Round(time.Minute), err)
	// Output: 1m0s <nil>
}

func ExamplePeerInfo() {
	a, b := exampleMesh()
	defer a.Node().Close()
	defer b.Node().Close()
	for _, p := range a.Node().Peers() {
		fmt.Println(p.ID == b.Node().ID(), p.Connected, p.Path, p.Transport)
	}
	// Output: true true direct tcp
}

func ExamplePeerID() {
	ctx := context.Background()
	a, b := exampleMesh()
	defer a.Node().Close()
	defer b.Node().Close()
	var id minikv.PeerID = b.Node().ID()
	_, err := a.Node().SyncPeer(ctx, id)
	fmt.Println(err, len(id))
	fmt.Println(a.Node().Disconnect(ctx, id))
	// Output:
	// <nil> 52
	// <nil>
}

func ExamplePeerPath() {
	fmt.Println(minikv.PathDirect, minikv.PathRelayed, minikv.PathPunched)
	// Output: direct relayed punched
}

func ExampleSyncStats() {
	ctx := context.Background()
	a, b := exampleMesh()
	defer a.Node().Close()
	defer b.Node().Close()
	stats, err := a.SyncPeer(ctx, b.Node().ID())
	fmt.Println(err, stats.Sent, stats.Received, stats.Rounds, stats.BytesOut+stats.BytesIn < 200)
	// Output: <nil> 0 0 1 true
}

func ExampleStanding() {
	a, b := exampleMesh()
	defer a.Node().Close()
	defer b.Node().Close()
	if _, err := a.SyncPeer(context.Background(), b.Node().ID()); err != nil {
		log.Fatal(err)
	}
	for _, s := range a.Standings() {
		fmt.Println(s.Peer == b.Node().ID(), s.State == a.State(), s.Keys)
	}
	// Output: true true 1
}

func ExampleMetrics() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "a", nil)
	r.Put(ctx, "b", nil)
	r.Delete(ctx, "a")
	m := r.Metrics()
	fmt.Println(m.Keys, m.Tombstones, m.Puts, m.Deletes, m.Refused)
	// Output: 1 1 2 1 0
}

func ExampleTiming() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	before := r.Metrics().WriteTime
	for i := range 1000 {
		r.Put(ctx, fmt.Sprint(i), nil)
	}
	took := r.Metrics().WriteTime.Since(before)
	fmt.Println(took.Count() > 0, took.Quantile(0.5) <= took.Quantile(0.99), len(took.Counts) == len(minikv.TimingBounds())+1)
	// Output: true true true
}

func ExampleQuarantinedEntry() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	n := 0
	for q, err := range r.Quarantined(ctx) { // what went on a peer's word, which is rarely anything
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(q.Key, "went on the word of", q.Peer, "at", q.Removed)
		if _, err := r.PutBack(ctx, q.Key, false); err != nil { // the peer was wrong; false: never over a newer value
			log.Fatal(err)
		}
		n++
	}
	fmt.Println(n)
	// Output: 0
}

func ExampleSnapshotInfo() {
	ctx := context.Background()
	dir, node := exampleDurable()
	defer os.RemoveAll(dir)
	defer node.Close()
	var file bytes.Buffer
	if err := node.Snapshot(ctx, &file); err != nil {
		log.Fatal(err)
	}
	var info minikv.SnapshotInfo
	info, err := minikv.CheckSnapshot(bytes.NewReader(file.Bytes()))
	fmt.Println(len(info.Registries), info.Bytes == int64(file.Len()), err)
	_, err = minikv.CheckSnapshot(bytes.NewReader(file.Bytes()[:file.Len()-1]))
	fmt.Println(errors.Is(err, minikv.ErrCorrupt))
	// Output:
	// 1 true <nil>
	// true
}

func ExampleSnapshotRegistry() {
	ctx := context.Background()
	dir, node := exampleDurable()
	defer os.RemoveAll(dir)
	defer node.Close()
	var file bytes.Buffer
	node.Snapshot(ctx, &file)
	info, err := minikv.Restore(ctx, filepath.Join(dir, "restored"), &file)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range info.Registries {
		fmt.Println(r.Name, r.Keys, r.Tombstones)
	}
	// Output: cities 2 1
}

func ExampleCheckReport() {
	ctx := context.Background()
	dir, node := exampleDurable()
	defer os.RemoveAll(dir)
	_, err := minikv.CheckDir(ctx, dir, false)
	fmt.Println(errors.Is(err, minikv.ErrDirInUse))
	node.Close()
	report, err := minikv.CheckDir(ctx, dir, false)
	fmt.Println(report.Found, report.Faults, err)
	// Output:
	// true
	// 0 [] <nil>
}

func ExampleCheckedRegistry() {
	dir, node := exampleDurable()
	defer os.RemoveAll(dir)
	node.Close()
	report, err := minikv.CheckDir(context.Background(), dir, false)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Registries {
		fmt.Println(r.Name, r.Keys, r.Tombstones, r.Lost, r.LostUnknown)
	}
	// Output: cities 2 1 0 false
}

func ExampleCheckFault() {
	dir, node := exampleDurable()
	defer os.RemoveAll(dir)
	node.Close()
	report, err := minikv.CheckDir(context.Background(), dir, true)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Faults { // of a damaged directory, which this one is not
		fmt.Println(f.Sort, f.Registry, f.Text)
	}
	fmt.Println(report.Repaired, report.Kept == "")
	// Output: false true
}

// exampleMesh is a registry with one key on two nodes that are in sync.
func exampleMesh() (a, b *minikv.Registry) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	open := func() *minikv.Registry {
		node, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		if err != nil {
			log.Fatal(err)
		}
		r, err := node.Registry(ctx, "example", minikv.Public())
		if err != nil {
			log.Fatal(err)
		}
		return r
	}
	a, b = open(), open()
	if _, err := a.Put(ctx, "k", []byte("v")); err != nil {
		log.Fatal(err)
	}
	if _, err := a.Node().Connect(ctx, b.Node().Addrs()[0]); err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(a.WaitSynced(ctx, 1), b.WaitSynced(ctx, 1)); err != nil {
		log.Fatal(err)
	}
	return a, b
}

func exampleDir() string {
	dir, err := os.MkdirTemp("", "minikv-example")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}

// exampleDurable is a node with a directory, whose registry has two keys and one that was deleted.
func exampleDurable() (string, *minikv.Node) {
	ctx, dir := context.Background(), exampleDir()
	node, err := minikv.Open(ctx, dir, minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := node.Registry(ctx, "cities", minikv.Public())
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"de/hamburg", "de/kiel", "de/atlantis"} {
		if _, err := r.Put(ctx, key, []byte("x")); err != nil {
			log.Fatal(err)
		}
	}
	if err := r.Delete(ctx, "de/atlantis"); err != nil {
		log.Fatal(err)
	}
	return dir, node
}
