package minikv_test

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/store"
)

// On a disk whose syncs take long, writes that wait for none wait all the same, before there is more than a second of
// them to lose.
func TestAsyncWritesDoNotRunAway(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{}, 1) // held by a sync
	gate <- struct{}{}
	slow := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
			<-gate
			gate <- struct{}{}
		}
		return nil
	})
	cfg := minikv.Tuned(minikv.Config{Durability: minikv.DurabilityAsync}, func(o *store.Options) {
		o.FS = errorfs.Wrap(vfs.Default, slow)
	})
	n := openIn(t, t.TempDir(), cfg)
	r := openRegistry(t, n, "r")
	put(t, r, "k", "v")

	<-gate
	acked, stop, ended := make(chan time.Time), make(chan struct{}), make(chan error, 1)
	var first time.Time // when the first write was there that is not durable
	go func() {
		tick := time.NewTicker(10 * time.Millisecond) // few: of many, the engine's own buffers would be full soon
		defer tick.Stop()
		for {
			began := time.Now()
			if _, err := r.Put(context.Background(), "k", nil); err != nil {
				ended <- err
				return
			}
			if first.IsZero() {
				first = time.Now()
			}
			select {
			case acked <- began:
			case <-stop:
				ended <- nil
				return
			}
			<-tick.C
		}
	}()
	last := <-acked
	for waits := false; !waits; {
		select {
		case last = <-acked:
			require.Less(t, last.Sub(first), time.Second)
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(2 * time.Second):
			waits = true
		}
	}
	t.Log("wrote for", last.Sub(first))
	gate <- struct{}{}
	<-acked
	close(stop)
	require.NoError(t, <-ended)
}
