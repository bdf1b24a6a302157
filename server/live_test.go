package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

// sse is one server-sent event.
type sse struct{ id, data string }

// listen opens a stream of events; next waits for the next one.
func listen(t *testing.T, h http.Handler, target string, headers ...string) (next func() sse, hangUp func()) {
	t.Helper()
	srv := httptest.NewServer(h)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+target, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	for _, hd := range headers {
		k, v, _ := strings.Cut(hd, ": ")
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	hangUp = func() { cancel(); res.Body.Close(); srv.Close() }
	t.Cleanup(hangUp)
	return func() (ev sse) {
		t.Helper()
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				ev.id = value
			case "data":
				ev.data = value
			case "":
				if ev.data != "" {
					return ev
				}
			}
		}
		require.NoError(t, lines.Err())
		require.Fail(t, "the stream has ended")
		return ev
	}, hangUp
}

// A browser that lost the connection goes on where it was, and misses nothing.
func TestWatchAsEventsResumes(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	put := func(k string) {
		_, err := r.reg.Put(r.ctx, k, []byte("line one\nline two"))
		require.NoError(t, err)
	}
	put("a")
	next, hangUp := listen(t, r.handler, "/v1/watch?registry=r")
	require.Contains(t, next().data, `"key":"a"`)
	require.Contains(t, next().data, `"kind":"synced"`)
	put("b")
	ev := next()
	require.Contains(t, ev.data, `"value":"line one\nline two"`)
	hangUp()
	put("c")
	next, _ = listen(t, r.handler, "/v1/watch?registry=r", "Last-Event-ID: "+ev.id)
	require.Contains(t, next().data, `"key":"c"`, "neither a nor b again")
	r.status(400, "GET", "/v1/watch?registry=r&after=nonsense", "")
}

func decodeLive(t *testing.T, ev sse) (e admin.LiveEvent) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(ev.data), &e))
	return e
}

func TestLive(t *testing.T) {
	d := readOpenAPI(t)
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	next, _ := listen(t, r.handler, "/v1/live")
	st := decodeLive(t, next()).Stats
	require.NotNil(t, st, "at once")
	require.True(t, st.Ready)
	require.Equal(t, "r", st.Registries[0].Name)
	sampled := false
	await := func(kind string) {
		t.Helper()
		for {
			ev := next()
			var v any
			dec := json.NewDecoder(strings.NewReader(ev.data))
			dec.UseNumber()
			require.NoError(t, dec.Decode(&v))
			require.NoError(t, d.check("event", schema{Ref: "#/components/schemas/LiveEvent"}, v), ev.data)
			e := decodeLive(t, ev)
			if e.Change == nil {
				sampled = sampled || e.Stats.Sample.Puts > 0
				if sampled && kind == "" {
					return
				}
				continue
			}
			require.Equal(t, "r", e.Change.Registry)
			require.Equal(t, "k", e.Change.Key)
			require.Equal(t, string(r.node.ID()), e.Change.Node)
			require.Equal(t, fmt.Sprint(e.Change.Seq), ev.id)
			if e.Change.Kind == kind {
				return
			}
		}
	}
	_, err := r.reg.Put(r.ctx, "k", []byte("v"))
	require.NoError(t, err)
	await("put")
	lease, err := r.reg.TryLock(r.ctx, "k")
	require.NoError(t, err)
	await("lock held")
	require.NoError(t, lease.Unlock(r.ctx))
	await("lock released")
	require.NoError(t, r.reg.Delete(r.ctx, "k"))
	await("delete")
	await("") // a sample
	require.Contains(t, r.status(200, "GET", "/v1/changes?registry=r&key=k", ""), `"kind":"lock released"`)
	require.Contains(t, r.status(200, "GET", "/v1/samples", ""), `"puts":`)
	r.status(400, "GET", "/v1/live", "", "Last-Event-ID: x")
	r.status(404, "GET", "/v1/changes?registry=none", "")
}

// The record of changes is bounded, and a burst does not flood those who look.
func TestChangesAreBounded(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	for i := range 3000 {
		_, err := r.reg.Put(r.ctx, fmt.Sprint(i), []byte(strings.Repeat("é", 1000)))
		require.NoError(t, err)
	}
	var out []admin.Change
	require.Eventually(t, func() bool {
		out = nil
		require.NoError(t, json.Unmarshal([]byte(r.status(200, "GET", "/v1/changes?limit=500", "")), &out))
		return len(out) == 500 && out[0].Key == "2999"
	}, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, 2000, out[0].Size)
	require.Equal(t, strings.Repeat("é", 128), string(out[0].Value), "cut between characters")
	require.Greater(t, out[0].Seq, out[1].Seq)
}

func TestRegistriesThatComeAndGoAreRecorded(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	for round := range 2 {
		reg, err := r.node.Registry(r.ctx, "new", minikv.Public())
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err = reg.Put(r.ctx, "k", []byte{byte(round)})
			require.NoError(t, err)
			return strings.Contains(r.status(200, "GET", "/v1/changes?registry=new", ""), `"key":"k"`)
		}, 10*time.Second, 20*time.Millisecond)
		require.NoError(t, r.node.DropRegistry(r.ctx, "new"))
	}
}

func TestPages(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	for _, k := range []string{"a/1", "a/2", "a/3", "a/\xff", "b/1"} {
		_, err := r.reg.Put(r.ctx, k, []byte(strings.Repeat("x", 200)), minikv.TTL(time.Hour))
		require.NoError(t, err)
	}
	get := func(q url.Values) (p admin.Page, keys []string) {
		q.Set("registry", "r")
		require.NoError(t, json.Unmarshal([]byte(r.status(200, "GET", "/v1/page?"+q.Encode(), "")), &p))
		for _, e := range p.Entries {
			keys = append(keys, e.Key)
		}
		return p, keys
	}
	p, keys := get(url.Values{"prefix": {"a/"}, "limit": {"2"}})
	require.Equal(t, []string{"a/1", "a/2"}, keys)
	require.True(t, p.More)
	require.Equal(t, 200, p.Entries[0].Size)
	require.Len(t, p.Entries[0].Value, 120)
	require.InDelta(t, time.Hour, time.Duration(p.Entries[0].Left), float64(time.Minute))
	p, keys = get(url.Values{"prefix": {"a/"}, "limit": {"2"}, "after": {"a/2"}})
	require.Equal(t, []string{"a/3", "a/\xff"}, keys)
	require.False(t, p.More)
	_, keys = get(url.Values{"preview": {"0"}})
	require.Len(t, keys, 5)
	_, keys = get(url.Values{"prefix": {"\xff"}})
	require.Empty(t, keys)
	for _, q := range []string{"limit=0", "limit=501", "limit=x", "preview=-1", "preview=9999"} {
		r.status(400, "GET", "/v1/page?registry=r&"+q, "")
	}
}
