package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/admin"
)

var (
	killCycles = flag.Int("kill.cycles", 6, "how often TestKill kills a node")
	killSeed   = flag.Uint64("kill.seed", 0, "seed of TestKill; 0: a fresh one")
)

// killRig is a node that is killed and started again, and its peer that lives on. Both are written to.
type killRig struct {
	t      *testing.T
	ctx    context.Context
	rand   *rand.Rand
	dir    string
	victim *proc
	peer   *proc
	own    *killLoad // on the victim
	others *killLoad // on the peer
	early  int       // killed while it was starting
}

// TestKill kills a node with SIGKILL under load, again and again. Each time it is started alone first: all that it has acknowledged
// is there, without a peer's help. Then it meets the peer, to which was written meanwhile, and both become equal, with all that either
// has acknowledged.
func TestKill(t *testing.T) {
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute+time.Duration(*killCycles)*5*time.Second)
	defer cancel()
	k := &killRig{t: t, ctx: ctx, rand: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), own: &killLoad{}, others: &killLoad{}}
	t.Cleanup(func() {
		for _, p := range []*proc{k.victim, k.peer} {
			if p != nil {
				_ = p.stop(syscall.SIGKILL)
			}
		}
		if t.Failed() {
			t.Logf("-kill.seed=%d", seed)
		}
	})
	for i := range 6 {
		k.own.clients = append(k.own.clients, newKillClient(fmt.Sprintf("own%d", i), 1, k.rand))
	}
	k.own.clients = append(k.own.clients, newKillClient("batches", 20, k.rand))
	k.others.clients = append(k.others.clients, newKillClient("peers", 1, k.rand))
	k.peer = k.start("peer")
	for cycle := range *killCycles {
		k.cycle(cycle)
	}
	var sum killCounts
	for _, c := range append(k.own.clients, k.others.clients...) {
		sum.add(c.counts)
	}
	t.Logf("seed %d: %d cycles in %s; %d puts, %d deletes, %d batches; %d calls unanswered, %d of which were kept; %d kills more while starting",
		seed, *killCycles, time.Since(began).Round(time.Second), sum.puts, sum.deletes, sum.batches, sum.unanswered, sum.survived, k.early)
	require.Greater(t, sum.puts, 20**killCycles)
	require.Greater(t, sum.deletes, *killCycles)
	require.Greater(t, sum.batches, *killCycles)
	require.Greater(t, sum.unanswered, *killCycles/2)
}

func (k *killRig) start(name string) *proc {
	k.t.Helper()
	level := []string{"sync", "group"}[k.rand.IntN(2)]
	p, err := startProc(k.dir, name, append(os.Environ(), "HOME="+k.dir), "--public", "r", "--dir", filepath.Join(k.dir, name+".d"), "--durability", level)
	require.NoError(k.t, err)
	return p
}

// cycle starts the victim, checks what it has, lets it meet the peer, and kills it under load.
func (k *killRig) cycle(n int) {
	for n > 0 && k.rand.IntN(4) == 0 {
		k.killEarly()
	}
	k.victim = k.start("victim")
	require.NoError(k.t, k.own.check(k.ctx, k.victim.client), "cycle %d, alone", n)

	k.meet(n)
	require.NoError(k.t, k.own.check(k.ctx, k.victim.client), "cycle %d, with the peer", n)
	require.NoError(k.t, k.others.check(k.ctx, k.victim.client), "cycle %d, the peer's writes", n)

	k.others.start(k.ctx, k.peer.client)
	k.own.start(k.ctx, k.victim.client)
	shared, stopShared := context.WithCancel(k.ctx)
	both := make(chan struct{})
	go func() { defer close(both); k.contend(shared) }()
	k.someTime(400 * time.Millisecond)
	k.own.killed.Store(true)
	require.NoError(k.t, k.victim.stop(syscall.SIGKILL))
	require.NoError(k.t, k.own.wait(), "cycle %d", n)
	k.someTime(50 * time.Millisecond) // the peer is written to meanwhile
	k.others.stop.Store(true)
	stopShared()
	<-both
	require.NoError(k.t, k.others.wait(), "cycle %d", n)
}

// killEarly kills the victim while it starts, in the midst of recovery perhaps.
func (k *killRig) killEarly() {
	k.early++
	p, err := spawnProc(k.dir, "victim", append(os.Environ(), "HOME="+k.dir), "--public", "r", "--dir", filepath.Join(k.dir, "victim.d"))
	require.NoError(k.t, err)
	k.someTime(60 * time.Millisecond)
	require.NoError(k.t, p.stop(syscall.SIGKILL))
}

// meet connects the two and waits until they are equal.
func (k *killRig) meet(n int) {
	_, err := k.victim.client.Connect(k.ctx, k.peer.status.Addrs[0])
	require.NoError(k.t, err)
	var roots [2]string
	require.Eventually(k.t, func() bool {
		for i, p := range []*proc{k.victim, k.peer} {
			reg, err := shared(k.ctx, p.client)
			if err != nil {
				return false
			}
			roots[i] = reg.Root
		}
		return roots[0] == roots[1]
	}, procWait, 5*time.Millisecond, "cycle %d: the two do not become equal", n)
}

// contend writes and deletes the same few keys on both ends.
func (k *killRig) contend(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("both/%d", i%7)
		for _, p := range []*proc{k.victim, k.peer} {
			if i%3 == 2 {
				_ = p.client.Delete(ctx, "r", key, "") // it may be dead
			} else {
				_, _ = p.client.Put(ctx, "r", key, []byte(fmt.Sprint(i)), admin.PutParams{})
			}
		}
	}
}

// someTime lets a random time go by: nothing tells when the worst moment for a kill is.
func (k *killRig) someTime(max time.Duration) { <-time.After(time.Duration(k.rand.Int64N(int64(max)))) }
