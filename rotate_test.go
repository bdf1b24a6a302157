package minikv_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/store"
)

// An exchange that had begun under the old keys, and not yet opened its stream when they were changed, does not go on under them.
func TestNoExchangeOutlivesItsKeys(t *testing.T) {
	ctx := context.Background()
	var shut atomic.Bool
	gate, waits := make(chan struct{}), make(chan struct{}, 1)
	slow := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && shut.Load() {
			select {
			case waits <- struct{}{}:
			default:
			}
			select {
			case <-gate:
			case <-time.After(patience):
			}
		}
		return nil
	})
	cfg := minikv.Tuned(minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}, func(o *store.Options) { o.FS = errorfs.Wrap(vfs.Default, slow) })
	r, err := openIn(t, t.TempDir(), cfg).Registry(ctx, "test")
	require.NoError(t, err)
	old := joined(t, r, writeTicket)

	put(t, r, "k", "v", minikv.NoWait())
	shut.Store(true)
	put(t, r, "k", "w", minikv.NoWait()) // so that the exchange waits for the disk
	done := make(chan error, 1)
	go func() {
		_, err := r.SyncPeer(within(t), old.Node().ID())
		done <- err
	}()
	<-waits
	before := r.Metrics().Syncs
	require.NoError(t, r.Rotate(ctx))
	shut.Store(false)
	close(gate)
	require.Error(t, <-done)
	require.Equal(t, before, r.Metrics().Syncs)
}

// Who has the old keys is not told of new ones, and so is to find it out.
func TestDoctorTellsOfAChangeOfKeys(t *testing.T) {
	r := founder(t, minikv.Config{})
	old := joined(t, r, writeTicket)
	require.NoError(t, old.WaitSynced(within(t), 1))
	require.NoError(t, r.WaitSynced(within(t), 1))
	require.NotContains(t, diagnose(t, old.Node()), "registries")
	require.NoError(t, r.Rotate(t.Context()))
	for _, x := range []struct{ of, names *minikv.Registry }{{old, r}, {r, old}} {
		require.Eventually(t, func() bool { return diagnose(t, x.of.Node())["registries"].State == minikv.CheckNote }, patience, time.Millisecond)
		check := diagnose(t, x.of.Node())["registries"]
		require.Contains(t, check.Found, `"test": `+string(x.names.Node().ID()))
		require.Contains(t, check.Advice, "minikv rotate")
	}
}
