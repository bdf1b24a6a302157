package minikv_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// member is a durable node of a mesh that a test stops, copies and starts again.
type member struct {
	t    *testing.T
	name string
	dir  string
	cfg  minikv.Config
	reg  *minikv.Registry
}

// ledger is what each key holds when all acknowledged writes are counted; "" is a deleted one.
type ledger map[string]string

func newMember(t *testing.T, name string, cfg minikv.Config) *member {
	t.Helper()
	cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
	m := &member{t: t, name: name, dir: filepath.Join(t.TempDir(), name), cfg: cfg}
	m.start()
	return m
}

// start opens the node; it knows nobody.
func (m *member) start() {
	m.t.Helper()
	m.reg = openRegistry(m.t, openIn(m.t, m.dir, m.cfg), "test")
}

func (m *member) stop() {
	m.t.Helper()
	require.NoError(m.t, m.reg.Node().Close())
}

// copyDir copies the directory of a node that is stopped.
func (m *member) copyDir() string {
	m.t.Helper()
	to := filepath.Join(m.t.TempDir(), m.name)
	require.NoError(m.t, os.CopyFS(to, os.DirFS(m.dir)))
	require.NoError(m.t, os.Chmod(filepath.Join(to, "identity.key"), 0o600)) // CopyFS leaves it to the umask
	return to
}

// write puts and deletes, n of each, keys that begin with prefix, and keeps the ledger.
func (m *member) write(l ledger, prefix string, n int) {
	m.t.Helper()
	for i := range n {
		kept, gone := fmt.Sprintf("%s/%s/kept%03d", prefix, m.name, i), fmt.Sprintf("%s/%s/gone%03d", prefix, m.name, i)
		l[kept] = fmt.Sprintf("%s %d", m.name, rand.Uint64())
		put(m.t, m.reg, kept, l[kept])
		put(m.t, m.reg, gone, "x")
		l[gone] = ""
		require.NoError(m.t, m.reg.Delete(context.Background(), gone))
	}
}

// change overwrites and deletes keys that all have, each node those of its share.
func (m *member) change(l ledger, keys []string, share, of int) {
	m.t.Helper()
	for _, k := range keys {
		if l[k] == "" || hashOf(k)%of != share {
			continue
		}
		if hashOf(k)/of%2 == 0 {
			require.NoError(m.t, m.reg.Delete(context.Background(), k))
			l[k] = ""
		} else {
			l[k] = fmt.Sprintf("%s %d", m.name, rand.Uint64())
			put(m.t, m.reg, k, l[k])
		}
	}
}

func sortedKeys(l ledger) []string { return slices.Sorted(maps.Keys(l)) }

func hashOf(s string) int {
	h := fnv.New32a()
	h.Write([]byte(s))
	return int(h.Sum32() >> 1)
}

// link connects each to all others.
func link(t *testing.T, members ...*member) {
	t.Helper()
	for i, m := range members {
		for _, o := range members[:i] {
			connect(t, m.reg.Node(), o.reg.Node())
		}
	}
}

// agree waits until all are equal, and compares them with the ledger.
func agree(t *testing.T, l ledger, members ...*member) {
	t.Helper()
	regs := make([]*minikv.Registry, len(members))
	for i, m := range members {
		regs[i] = m.reg
	}
	require.Eventually(t, func() bool { // the root is silent of what is still under way, where its delete has been forgotten
		for _, r := range regs[1:] {
			if r.State() != regs[0].State() {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
	held := ledger{}
	for e, err := range regs[0].All(context.Background()) {
		require.NoError(t, err)
		held[e.Key] = string(e.Value)
	}
	want := maps.Clone(l)
	maps.DeleteFunc(want, func(_, v string) bool { return v == "" })
	require.Equal(t, want, held)
}

// A node is put back to an old copy of its directory and does not know. It writes before it meets the others
// again. What it had forgotten comes back from them, what they deleted stays deleted, and what it wrote counts.
func TestARolledBackNode(t *testing.T) {
	for name, retention := range map[string]time.Duration{"tombstones held": 0, "tombstones collected": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := minikv.Config{TombstoneRetention: retention, SyncInterval: 100 * time.Millisecond}
			a, b, c := newMember(t, "a", cfg), newMember(t, "b", cfg), newMember(t, "c", cfg)
			all, others := []*member{a, b, c}, []*member{b, c}
			link(t, all...)
			l := ledger{}
			for _, m := range all {
				m.write(l, "before", 30)
			}
			agree(t, l, all...)
			a.stop()
			old := a.copyDir()
			a.start()
			link(t, all...)

			keys := sortedKeys(l)
			for i, m := range all { // also of what a has in the copy
				m.change(l, keys, i, 6)
			}
			for _, m := range all {
				m.write(l, "forgotten", 30)
			}
			agree(t, l, all...)
			keys = sortedKeys(l)
			for i, m := range all { // of what was forgotten, too
				m.change(l, keys, 3+i, 6)
			}
			agree(t, l, all...)
			a.stop()
			for _, m := range others {
				m.write(l, "meanwhile", 30)
			}
			last := put(t, b.reg, "clock", "b")
			l["clock"] = "b"
			agree(t, l, others...)
			if retention != 0 {
				require.Eventually(t, func() bool {
					return b.reg.Metrics().Tombstones == 0 && c.reg.Metrics().Tombstones == 0
				}, patience, 10*time.Millisecond, "the peers forget what was deleted")
			}

			require.NoError(t, os.RemoveAll(a.dir))
			a.dir = old
			id := a.reg.Node().ID()
			a.start()
			require.Equal(t, id, a.reg.Node().ID())
			a.write(l, "unaware", 30)
			l["clock"] = "a" // a clock that has restarted is some seconds ahead, and the others follow it
			require.Eventually(t, func() bool { return put(t, a.reg, "clock", "a").Compare(last) > 0 }, patience, 10*time.Millisecond)
			put(t, a.reg, "forgotten/a/kept000", "again")
			l["forgotten/a/kept000"] = "again"
			require.NoError(t, a.reg.Delete(context.Background(), "before/b/kept001"))
			l["before/b/kept001"] = ""
			link(t, all...)
			agree(t, l, all...)
			for _, m := range all {
				m.write(l, "after", 20)
			}
			agree(t, l, all...)
			for _, m := range all { // and so it stays at the next start
				m.stop()
				m.start()
				agree(t, l, m)
			}
		})
	}
}

// A directory is copied, and the copy runs beside the original as another node. Neither loses anything, nor
// makes anyone else lose anything.
func TestACopiedDirectory(t *testing.T) {
	for name, differ := range map[string]func(*member){
		"another identity is given": func(m *member) {
			_, key, err := ed25519.GenerateKey(nil)
			require.NoError(m.t, err)
			m.cfg.Identity = key
		},
		"the key is left out": func(m *member) { require.NoError(m.t, os.Remove(filepath.Join(m.dir, "identity.key"))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := minikv.Config{SyncInterval: 100 * time.Millisecond}
			a, b := newMember(t, "a", cfg), newMember(t, "b", cfg)
			link(t, a, b)
			l := ledger{}
			a.write(l, "before", 30)
			b.write(l, "before", 30)
			agree(t, l, a, b)
			a.stop()
			twin := &member{t: t, name: "twin", dir: a.copyDir(), cfg: a.cfg}
			differ(twin)

			a.start()
			twin.start()
			require.NotEqual(t, a.reg.Node().ID(), twin.reg.Node().ID())
			keys := sortedKeys(l)
			for i, m := range []*member{a, twin, b} { // before they meet
				m.write(l, "apart", 30)
				m.change(l, keys, i, 3)
			}
			link(t, a, b, twin)
			agree(t, l, a, b, twin)
			keys = sortedKeys(l)
			for i, m := range []*member{twin, b, a} {
				m.change(l, keys, i, 3)
			}
			agree(t, l, a, b, twin)
			for _, m := range []*member{a, twin} {
				m.stop()
				m.start()
				agree(t, l, m)
			}
		})
	}
}
