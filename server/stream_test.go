package server_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

func TestListings(t *testing.T) {
	r := newRig(t)
	for _, k := range []string{"a/1", "a/2", "b/\xff"} {
		_, err := r.reg.Put(r.ctx, k, []byte("v"))
		require.NoError(t, err)
	}
	var keys []string
	for k, err := range r.client.Keys(r.ctx, "r", "") {
		require.NoError(t, err)
		keys = append(keys, k)
	}
	require.Equal(t, []string{"a/1", "a/2", "b/\xff"}, keys)
	n := 0
	for e, err := range r.client.Entries(r.ctx, "r", "a/") {
		require.NoError(t, err)
		require.Equal(t, "v", string(e.Value))
		n++
	}
	require.Equal(t, 2, n)
	for _, err := range r.client.Keys(r.ctx, "nosuch", "") {
		require.ErrorIs(t, err, code(admin.CodeNoRegistry))
	}
}

func TestWatch(t *testing.T) {
	r := newRig(t)
	_, err := r.reg.Put(r.ctx, "a/old", []byte("v"))
	require.NoError(t, err)
	_, err = r.reg.Put(r.ctx, "b/other", []byte("v"))
	require.NoError(t, err)
	var got []string
	for ev, err := range r.client.Watch(r.ctx, "r", admin.WatchParams{Prefix: "a/"}) {
		require.NoError(t, err)
		if ev.Entry == nil {
			got = append(got, ev.Kind)
			_, err = r.reg.Put(r.ctx, "a/new", []byte("v"), minikv.TTL(30*time.Millisecond))
			require.NoError(t, err)
			require.NoError(t, r.reg.Delete(r.ctx, "a/old"))
			continue
		}
		got = append(got, ev.Kind+" "+ev.Entry.Key)
		if ev.Kind == admin.EventExpire {
			break
		}
	}
	require.ElementsMatch(t, []string{"put a/old", "synced", "put a/new", "delete a/old", "expire a/new"}, got)

	for ev, err := range r.client.Watch(r.ctx, "r", admin.WatchParams{UpdatesOnly: true}) {
		require.NoError(t, err)
		require.Equal(t, admin.EventSynced, ev.Kind)
		break
	}
}

// TestWatchDoesNotBufferForASlowReader writes far more than the connection holds while nobody reads. Every write returns, and
// the reader then gets the last state of each key, not all of them.
func TestWatchDoesNotBufferForASlowReader(t *testing.T) {
	r := newRig(t)
	const keys, rounds = 4, 200
	value := strings.Repeat("x", 64<<10)
	events := 0
	last := map[string]string{}
	for ev, err := range r.client.Watch(r.ctx, "r", admin.WatchParams{}) {
		require.NoError(t, err)
		if ev.Kind == admin.EventSynced {
			for i := range rounds {
				for k := range keys {
					_, err := r.reg.Put(r.ctx, fmt.Sprint("k", k), []byte(fmt.Sprint(i, " ", value)))
					require.NoError(t, err)
				}
			}
			continue
		}
		events++
		last[ev.Entry.Key], _, _ = strings.Cut(string(ev.Entry.Value), " ")
		if len(last) == keys && allEqual(last, fmt.Sprint(rounds-1)) {
			break
		}
	}
	require.Less(t, events, keys*rounds/2, "changes of a key are merged while the reader is away")
}

func allEqual(m map[string]string, want string) bool {
	for _, v := range m {
		if v != want {
			return false
		}
	}
	return true
}

func TestCloseEndsStreams(t *testing.T) {
	r := newRig(t)
	held, err := r.client.Hold(r.ctx, "r", "k", admin.LockParams{})
	require.NoError(t, err)
	var ended error
	for ev, err := range r.client.Watch(r.ctx, "r", admin.WatchParams{}) {
		if ended = err; err != nil {
			break
		}
		if ev.Kind == admin.EventSynced {
			require.NoError(t, r.server.Close())
		}
	}
	require.ErrorIs(t, ended, code(admin.CodeClosed))
	for err == nil {
		_, err = held.Next()
	}
	require.ErrorIs(t, err, code(admin.CodeClosed))
	_, locked, err := r.reg.LockInfo(r.ctx, "k")
	require.NoError(t, err)
	require.False(t, locked, "a held lock is released when the server goes")
}

func TestClosedRegistryEndsItsStreams(t *testing.T) {
	r := newRig(t)
	var ended error
	for ev, err := range r.client.Watch(r.ctx, "r", admin.WatchParams{}) {
		if ended = err; err == nil && ev.Kind == admin.EventSynced {
			require.NoError(t, r.client.DropRegistry(r.ctx, "r"))
		}
	}
	require.ErrorIs(t, ended, code(admin.CodeClosed))
}

func TestStreamsAreLimited(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	open := make(chan error)
	for range 256 {
		go func() {
			for _, err := range r.client.Watch(ctx, "r", admin.WatchParams{}) {
				select {
				case open <- err:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	for range 256 {
		require.NoError(t, <-open)
	}
	for _, err := range r.client.Watch(r.ctx, "r", admin.WatchParams{}) {
		require.ErrorIs(t, err, code(admin.CodeBusy))
	}
	_, err := r.client.Get(r.ctx, "r", "k")
	require.ErrorIs(t, err, code(admin.CodeNotFound), "other calls go on")
}

func TestServeReturnsTheListenersError(t *testing.T) {
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	s := server.New(r.node, server.Config{})
	require.ErrorIs(t, s.Serve(l), net.ErrClosed)
	require.NoError(t, s.Close())
}

// TestOverTCP goes the whole way over loopback TCP.
func TestOverTCP(t *testing.T) {
	r := newRig(t)
	l, err := server.Listen(r.ctx, admin.Addr{Network: "tcp", Path: "127.0.0.1:0"})
	require.NoError(t, err)
	s := server.New(r.node, server.Config{})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	addr, err := admin.ParseAddr(l.Addr().String())
	require.NoError(t, err)
	c := admin.NewClient(addr)
	defer c.Close()
	_, err = c.Put(r.ctx, "r", "k", []byte("v"), admin.PutParams{})
	require.NoError(t, err)

	res, err := http.Get("http://" + l.Addr().String() + "/v1/entry?registry=r&key=k")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
}
