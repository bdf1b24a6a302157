package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/admin"
)

// cluster is three real processes, each connected to the two others.
type cluster struct {
	t     *testing.T
	ctx   context.Context
	dir   string
	names []string
	procs map[string]*proc
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	c := &cluster{t: t, ctx: ctx, dir: t.TempDir(), names: []string{"a", "b", "c"}, procs: map[string]*proc{}}
	t.Cleanup(func() {
		for _, p := range c.procs {
			_ = p.cmd.Process.Signal(signals["CONT"])
			_ = p.stop(syscall.SIGKILL)
		}
		cancel()
	})
	for _, n := range c.names {
		c.start(n)
	}
	return c
}

// start starts one of the nodes, with all that run now as its peers.
func (c *cluster) start(name string) {
	c.t.Helper()
	args := []string{"--public", "r", "--dir", filepath.Join(c.dir, name+".d")}
	for _, p := range c.procs {
		args = append(args, "--peer", p.status.Addrs[0])
	}
	p, err := startProc(c.dir, name, append(os.Environ(), "HOME="+c.dir), args...)
	require.NoError(c.t, err)
	c.procs[name] = p
}

func (c *cluster) put(name, key, value string) {
	c.t.Helper()
	_, err := c.procs[name].client.Put(c.ctx, "r", key, []byte(value), admin.PutParams{})
	require.NoError(c.t, err)
}

func (c *cluster) del(name, key string) {
	c.t.Helper()
	require.NoError(c.t, c.procs[name].client.Delete(c.ctx, "r", key, ""))
}

func (c *cluster) state(name string) (admin.Registry, error) {
	return shared(c.ctx, c.procs[name].client)
}

// shared is the state of the registry r, beside which a node has one of its own.
func shared(ctx context.Context, cl *admin.Client) (admin.Registry, error) {
	regs, err := cl.Registries(ctx)
	if i := slices.IndexFunc(regs, func(r admin.Registry) bool { return r.Name == "r" }); i >= 0 {
		return regs[i], nil
	}
	return admin.Registry{}, fmt.Errorf("registries: %v %w", regs, err)
}

// equal waits until the given nodes have the same root and so many keys.
func (c *cluster) equal(keys int, names ...string) {
	c.t.Helper()
	var last []admin.Registry
	ok := c.until(func() bool {
		last = last[:0]
		for _, n := range names {
			s, err := c.state(n)
			if err != nil {
				return false
			}
			last = append(last, s)
		}
		for _, s := range last {
			if s.Root != last[0].Root || s.Keys != keys {
				return false
			}
		}
		return true
	})
	require.True(c.t, ok, "%v do not come to %d equal keys: %+v", names, keys, last)
}

// until looks every 20 ms, for 30 s at most.
func (c *cluster) until(ok func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(procWait)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			return false
		}
	}
	return true
}

// nextMillisecond lets the clock go on, so that what comes is later than what was: within a millisecond two nodes that do not hear of
// each other are in no order but that of their actors.
func (c *cluster) nextMillisecond() {
	start := time.Now()
	require.True(c.t, c.until(func() bool { return time.Since(start) > 2*time.Millisecond }))
}

// burst writes n keys of its own on a node.
func (c *cluster) burst(name string, n int) error {
	for i := range n {
		_, err := c.procs[name].client.Put(c.ctx, "r", fmt.Sprintf("own/%s/%04d", name, i), []byte(name), admin.PutParams{})
		if err != nil {
			return err
		}
	}
	return nil
}

// bursts writes on several nodes at once.
func (c *cluster) bursts(n int, names ...string) {
	c.t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wg.Go(func() { errs[i] = c.burst(name, n) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(c.t, err)
	}
}

func (c *cluster) value(name, key string) string {
	c.t.Helper()
	e, err := c.procs[name].client.Get(c.ctx, "r", key)
	if err != nil {
		require.ErrorIs(c.t, err, &admin.Error{Code: admin.CodeNotFound})
		return "(absent)"
	}
	return string(e.Value)
}

func (c *cluster) all(key, want string) {
	c.t.Helper()
	for _, n := range c.names {
		require.Equal(c.t, want, c.value(n, key), "%s on %s", key, n)
	}
}

// TestProcessStopped partitions by stopping a process: it neither reads nor answers, and knows nothing of it when it goes on.
func TestProcessStopped(t *testing.T) {
	c := newCluster(t)
	c.put("a", "edited", "before")
	c.put("a", "deleted", "before")
	c.put("c", "kept", "by c")
	c.put("c", "lock", "free")
	c.equal(4, c.names...)

	lock, err := c.procs["c"].client.Lock(c.ctx, "r", "lock", admin.LockParams{TTL: 2 * time.Second})
	require.NoError(t, err)
	require.True(t, c.until(func() bool {
		e, err := c.procs["a"].client.Get(c.ctx, "r", "lock")
		return err == nil && e.Lock != nil
	}), "a claim by who has not heard of the first one would be in the same epoch")
	require.NoError(t, c.procs["c"].cmd.Process.Signal(signals["STOP"]))
	c.bursts(200, "a", "b")
	c.put("a", "edited", "meanwhile")
	c.del("b", "deleted")
	// The stopped holder's lease runs out on the others, and the next one has a higher token.
	next, err := c.procs["a"].client.Lock(c.ctx, "r", "lock", admin.LockParams{TTL: time.Minute, Wait: procWait})
	require.NoError(t, err)
	require.Greater(t, next.Token, lock.Token)
	c.equal(403, "a", "b")

	require.NoError(t, c.procs["c"].cmd.Process.Signal(signals["CONT"]))
	require.NoError(t, c.burst("c", 200))
	c.equal(603, c.names...)
	c.all("edited", "meanwhile")
	c.all("deleted", "(absent)")
	c.all("kept", "by c")
	_, err = c.procs["c"].client.Put(c.ctx, "r", "lock", []byte("x"), admin.PutParams{Token: lock.Token})
	require.Error(t, err, "a write under the token that was beaten")
	_, err = c.procs["c"].client.Put(c.ctx, "r", "lock", []byte("x"), admin.PutParams{Token: next.Token})
	require.NoError(t, err, "a write under the token that holds")
	c.equal(603, c.names...)
}

// TestProcessKilled partitions by taking a node and its listener away; it comes back as it was, under the same identity, and gets what it missed.
func TestProcessKilled(t *testing.T) {
	c := newCluster(t)
	c.bursts(100, c.names...)
	c.put("c", "of-c", "survives c")
	c.put("c", "deleted", "x")
	c.equal(302, c.names...)

	id := c.procs["c"].status.Node
	require.NoError(t, c.procs["c"].stop(syscall.SIGKILL))
	c.bursts(200, "a", "b") // 100 of each are over the first ones
	c.del("a", "deleted")
	c.equal(501, "a", "b")

	c.start("c")
	require.Equal(t, id, c.procs["c"].status.Node)
	require.NoError(t, c.burst("c", 150))
	c.equal(551, c.names...)
	c.all("of-c", "survives c")
	c.all("deleted", "(absent)")
}

// TestProcessPartition lets both sides of a partition write, delete and lock, and then links them again. The partition is a node that
// came up without being told of the others.
func TestProcessPartition(t *testing.T) {
	c := newCluster(t)
	c.put("a", "both", "before")
	c.put("a", "fight", "before")
	c.equal(2, c.names...)
	// Its listener and its links go away; it comes back at another address, which nobody is told.
	require.NoError(t, c.procs["c"].stop(syscall.SIGTERM))
	others := c.procs
	c.procs = map[string]*proc{}
	c.start("c") // knows no peer, and nobody knows its address
	for n, p := range others {
		if n != "c" {
			c.procs[n] = p
		}
	}
	c.bursts(200, c.names...)
	c.put("a", "both", "a")
	c.nextMillisecond()
	c.put("c", "both", "c, later")
	c.del("b", "fight")
	la, err := c.procs["a"].client.Lock(c.ctx, "r", "lock", admin.LockParams{TTL: time.Minute})
	require.NoError(t, err)
	c.nextMillisecond()
	lc, err := c.procs["c"].client.Lock(c.ctx, "r", "lock", admin.LockParams{TTL: time.Minute})
	require.NoError(t, err, "across a partition each side may hold it")
	for n, l := range map[string]admin.Lock{"a": la, "c": lc} {
		_, err := c.procs[n].client.Put(c.ctx, "r", "lock", []byte(n), admin.PutParams{Token: l.Token})
		require.NoError(t, err)
	}
	c.equal(402, "a", "b")
	c.equal(203, "c")

	for _, n := range []string{"a", "b"} {
		_, err := c.procs["c"].client.Connect(c.ctx, c.procs[n].status.Addrs[0])
		require.NoError(t, err)
	}
	c.equal(602, c.names...)
	c.all("both", "c, later")
	c.all("fight", "(absent)")
	winner := "a"
	if strings.Compare(lc.Token, la.Token) > 0 {
		winner = "c"
	}
	c.all("lock", winner)
	require.Equal(t, "a", winner, "the earlier claim has the higher token")
	for _, n := range c.names {
		e, err := c.procs[n].client.Get(c.ctx, "r", "lock")
		require.NoError(t, err)
		require.NotNil(t, e.Lock)
		require.Equal(t, la.Token, e.Lock.Token, "one holder, the same on %s", n)
	}
}

// TestProcessImport imports 100,000 records on one node with the command itself, and sees all of them on the two others.
func TestProcessImport(t *testing.T) {
	const n = 100_000
	c := newCluster(t)
	file := filepath.Join(c.dir, "many.jsonl")
	f, err := os.Create(file)
	require.NoError(t, err)
	for i := range n {
		_, err := fmt.Fprintf(f, "{\"key\":\"record/%06d\",\"value\":{\"n\":%d,\"text\":\"the quick brown fox jumps over the lazy dog\"}}\n", i, i)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())

	start := time.Now()
	var out strings.Builder
	require.Equal(t, 0, runCLI(t, &out, "--addr", c.procs["a"].client.Addr().String(), "import", "r", file))
	require.Contains(t, out.String(), "100,000 written, 0 unchanged")
	written := time.Since(start)
	c.equal(n, c.names...)
	t.Logf("imported in %s, on all nodes after %s", written, time.Since(start))

	out.Reset()
	require.Equal(t, 0, runCLI(t, &out, "--addr", c.procs["b"].client.Addr().String(), "import", "r", file))
	require.Contains(t, out.String(), "0 written, 100,000 unchanged")
}

// runCLI runs a command line in this process.
func runCLI(t *testing.T, out *strings.Builder, args ...string) int {
	t.Helper()
	a := newApp()
	a.stdin, a.stderr, a.tty = strings.NewReader(""), out, false
	a.stdout.Reset(out)
	a.getenv = func(string) string { return "" }
	return run(a, args)
}
