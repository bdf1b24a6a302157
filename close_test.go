package minikv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// Close ends all that is under way, soon and with ErrClosed, and what was acknowledged is there at the next Open. TestMain looks for
// what goes on afterwards.
func TestCloseInTheMidstOfEverything(t *testing.T) {
	for _, durability := range []minikv.Durability{minikv.DurabilitySync, minikv.DurabilityGroup, minikv.DurabilityAsync} {
		t.Run(durability.String(), func(t *testing.T) { closeInTheMidst(t, durability) })
	}
}

func closeInTheMidst(t *testing.T, durability minikv.Durability) {
	ctx, dir := context.Background(), t.TempDir()
	n := openIn(t, dir, minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Durability: durability})
	r := openRegistry(t, n, "fruit")
	private, err := n.Registry(ctx, "private")
	require.NoError(t, err)
	peer := openRegistry(t, online(t, minikv.Config{}), "fruit")
	connect(t, n, peer.Node())
	text := ticketOf(t, founder(t, minikv.Config{}), writeTicket)

	var puts, batches atomic.Int64 // acknowledged
	work := map[string]func(i int) error{
		"put": func(i int) error {
			_, err := r.Put(ctx, fmt.Sprint("put/", i), []byte("v"), minikv.TTL(time.Hour))
			if err == nil {
				puts.Store(int64(i + 1))
			}
			return err
		},
		"batch": func(i int) error {
			b := r.NewBatch()
			for k := range 400 {
				b.Put(fmt.Sprint("batch/", k), []byte(fmt.Sprint(i)))
			}
			_, err := b.Commit(ctx)
			if err == nil {
				batches.Store(int64(i + 1))
			}
			return err
		},
		"delete": func(i int) error { return r.Delete(ctx, fmt.Sprint("batch/", i%400)) },
		"expire": func(i int) error {
			err := r.Expire(ctx, "batch/1", time.Hour)
			if errors.Is(err, minikv.ErrNotFound) {
				return nil
			}
			return err
		},
		"get":   func(i int) error { _, err := r.Has(ctx, "batch/7"); return err },
		"watch": func(i int) error { return lastError(r.Watch(ctx, "")) },
		"locks": func(i int) error { return lastError(r.WatchLocks(ctx, "")) },
		"walk":  func(i int) error { return lastError(r.All(ctx)) },
		"lock": func(i int) error {
			return r.WithLock(ctx, "door", func(ctx context.Context, l *minikv.Lease) error {
				_, err := l.Put(ctx, []byte("v"))
				return err
			})
		},
		"wait": func(i int) error {
			return r.WithLock(ctx, "door", func(context.Context, *minikv.Lease) error { return nil })
		},
		"sync":     func(i int) error { _, err := r.SyncPeer(ctx, peer.Node().ID()); return err },
		"synced":   func(i int) error { return n.WaitSynced(ctx, 9) },
		"rotate":   func(i int) error { return private.Rotate(ctx) },
		"snapshot": func(i int) error { return n.Snapshot(ctx, io.Discard) },
		"compact":  func(i int) error { return n.Compact(ctx) },
		"flush":    func(i int) error { return n.Flush(ctx) },
		"open and drop": func(i int) error {
			if _, err := n.Registry(ctx, "other", minikv.Public()); err != nil {
				return err
			}
			return n.DropRegistry(ctx, "other")
		},
		"join": func(i int) error {
			_, err := n.Join(ctx, text)
			return err
		},
		"connect": func(i int) error { _, err := n.Connect(ctx, peer.Node().Addrs()[0]); return err },
		"metrics": func(i int) error {
			n.Metrics()
			n.Peers()
			r.Standings()
			r.Root()
			r.State()
			return n.Ready()
		},
		"random": func(i int) error {
			_, err := r.RandomKey(ctx)
			if errors.Is(err, minikv.ErrNotFound) {
				return nil
			}
			return err
		},
		"peer": func(i int) error { _, err := peer.Put(ctx, fmt.Sprint("peer/", i%100), []byte("v")); return err },
	}
	var workers sync.WaitGroup
	began := make(chan string, len(work))
	errs := make(chan error, len(work))
	stop := make(chan struct{})
	for name, do := range work {
		workers.Go(func() {
			began <- name
			for i := 0; ; i++ {
				err := do(i)
				select {
				case <-stop:
					if name == "peer" {
						return
					}
				default:
				}
				if err != nil {
					errs <- fmt.Errorf("%s: %w", name, err)
					return
				}
			}
		})
	}
	for range work {
		<-began
	}
	require.Eventually(t, func() bool { return puts.Load() > 0 && batches.Load() > 0 }, patience, time.Millisecond)
	closed := time.Now()
	require.NoError(t, n.Close())
	close(stop)
	workers.Wait()
	t.Logf("closed in %s, after %d puts and %d batches", time.Since(closed), puts.Load(), batches.Load())
	close(errs)
	for err := range errs {
		require.ErrorIs(t, err, minikv.ErrClosed)
	}

	r = openRegistry(t, openIn(t, dir, minikv.Config{}), "fruit")
	for i := range puts.Load() {
		require.Equal(t, "v", value(t, r, fmt.Sprint("put/", i)))
	}
}

func lastError[T any](seq func(func(T, error) bool)) (last error) {
	seq(func(_ T, err error) bool {
		last = err
		return true
	})
	return last
}
