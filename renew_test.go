package minikv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/store"
)

// badDisk is a disk on which, while it is bad, some operations fail.
type badDisk struct {
	bad  atomic.Bool
	err  error
	hits func(errorfs.Op) bool
}

func (d *badDisk) tune(o *store.Options) {
	o.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !d.bad.Load() || !d.hits(op) {
			return nil
		}
		return &os.PathError{Op: "injected", Path: op.Path, Err: d.err}
	}))
}

func isWriteOp(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }

func isSyncOp(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// When the engine itself meets a full or failing disk, writes are refused and reads go on; when the disk is well
// the node takes writes again by itself. Leases and watches go on, and so does a peer.
func TestANodeOutlivesABadDisk(t *testing.T) {
	for name, d := range map[string]*badDisk{
		"full":        {err: syscall.ENOSPC, hits: isWriteOp},
		"no fsync":    {err: syscall.EIO, hits: isSyncOp},
		"no new file": {err: syscall.EMFILE, hits: func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := context.Background(), t.TempDir()
			cfg := minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, SyncInterval: 100 * time.Millisecond}
			n := openIn(t, dir, minikv.Tuned(cfg, d.tune))
			r := openRegistry(t, n, "fruit")
			peer := openRegistry(t, openIn(t, t.TempDir(), cfg), "fruit")
			connect(t, n, peer.Node())
			lease, err := r.Lock(ctx, "door", minikv.TTL(time.Hour))
			require.NoError(t, err)
			acked := writeUntilRefused(t, r, d)
			requireReads(t, r, acked)
			require.Error(t, n.Ready())

			d.bad.Store(false)
			require.Eventually(t, func() bool {
				_, err := r.Put(ctx, "after", []byte("x"))
				return err == nil
			}, 20*time.Second, 20*time.Millisecond)
			require.NoError(t, n.Ready())
			acked["after"] = "x"
			requireReads(t, r, acked)
			require.NoError(t, lease.Err())
			require.NoError(t, lease.Unlock(ctx))
			requireEqual(t, r, peer)
			requireReads(t, peer, acked)

			root := r.Root()
			require.NoError(t, n.Close())
			report, err := minikv.CheckDir(ctx, dir, false)
			require.NoError(t, err)
			require.Empty(t, report.Faults)
			r = openRegistry(t, openIn(t, dir, cfg), "fruit")
			require.Equal(t, root, r.Root())
		})
	}
}

// writeUntilRefused writes from several goroutines, lets the disk go bad meanwhile, and returns what was
// acknowledged.
func writeUntilRefused(t *testing.T, r *minikv.Registry, d *badDisk) map[string]string {
	t.Helper()
	var mu sync.Mutex
	acked := map[string]string{}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key, value := fmt.Sprintf("%d/%d", g, i%500), strings.Repeat(fmt.Sprint(i), 200)
				_, err := r.Put(context.Background(), key, []byte(value))
				if err != nil {
					if !errors.Is(err, minikv.ErrDiskFull) && !errors.Is(err, minikv.ErrStorage) {
						t.Errorf("put: %v", err)
					}
					mu.Lock()
					delete(acked, key) // it may have been kept
					mu.Unlock()
					return
				}
				mu.Lock()
				acked[key] = value
				if len(acked) == 1000 {
					d.bad.Store(true)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acked
}

// requireReads reads in all ways.
func requireReads(t *testing.T, r *minikv.Registry, want map[string]string) {
	t.Helper()
	for key, value := range want {
		e, err := r.Get(context.Background(), key)
		require.NoError(t, err)
		require.Equal(t, value, string(e.Value), key)
	}
	_, err := r.Get(context.Background(), "never written")
	require.ErrorIs(t, err, minikv.ErrNotFound)
	seen := 0
	for e, err := range r.All(context.Background()) {
		require.NoError(t, err)
		if want[e.Key] == string(e.Value) {
			seen++
		}
	}
	require.Equal(t, len(want), seen)
}

// While a store is renewed no registry comes or goes: its map would be left on the store that has failed.
func TestRegistriesWaitForARenewal(t *testing.T) {
	ctx := context.Background()
	n := openIn(t, t.TempDir(), minikv.Config{})
	openRegistry(t, n, "old")
	text := ticketOf(t, founder(t, minikv.Config{}), writeTicket)
	letGo := minikv.HoldRenewal(n)
	done := make(chan error, 3)
	for _, call := range []func() error{
		func() error { _, err := n.Registry(ctx, "new"); return err },
		func() error { _, err := n.Join(ctx, text); return err },
		func() error { return n.DropRegistry(ctx, "old") },
	} {
		go func() { done <- call() }()
	}
	select {
	case <-done:
		letGo()
		require.Fail(t, "one of them did not wait")
	case <-time.After(100 * time.Millisecond):
	}
	letGo()
	for range 3 {
		require.NoError(t, <-done)
	}
}
