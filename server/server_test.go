package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

// rig is an offline node with the registry r, served on a unix socket.
type rig struct {
	t      *testing.T
	ctx    context.Context
	node   *minikv.Node
	reg    *minikv.Registry
	server *server.Server
	client *admin.Client
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	node, err := minikv.Open(ctx, "", minikv.Config{NodeName: "rig"})
	require.NoError(t, err)
	reg, err := node.Registry(ctx, "r", minikv.Public())
	require.NoError(t, err)
	addr := admin.Addr{Network: "unix", Path: filepath.Join(t.TempDir(), "admin.sock")}
	l, err := server.Listen(ctx, addr)
	require.NoError(t, err)
	s := server.New(node, server.Config{Version: "v", Admin: addr.String(), Discovery: "none"})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	client := admin.NewClient(addr)
	t.Cleanup(func() {
		client.Close()
		require.NoError(t, s.Close())
		require.NoError(t, <-served)
		require.NoError(t, node.Close())
	})
	return &rig{t: t, ctx: ctx, node: node, reg: reg, server: s, client: client}
}

// raw makes a request by hand and gives status and body.
func (r *rig) raw(method, target string, body io.Reader, change ...func(*http.Request)) (int, string) {
	r.t.Helper()
	req := httptest.NewRequest(method, target, body).WithContext(r.ctx)
	req.Host = "localhost"
	for _, f := range change {
		f(req)
	}
	w := httptest.NewRecorder()
	r.server.Handler().ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

func code(c admin.Code) error { return &admin.Error{Code: c} }

func TestPutGetDelete(t *testing.T) {
	r := newRig(t)
	res, err := r.client.Put(r.ctx, "r", "k/../\x00\xff", []byte("\x00\xff"), admin.PutParams{TTL: time.Hour})
	require.NoError(t, err)
	e, err := r.client.Get(r.ctx, "r", "k/../\x00\xff")
	require.NoError(t, err)
	require.Equal(t, "k/../\x00\xff", e.Key)
	require.Equal(t, []byte("\x00\xff"), e.Value)
	require.Equal(t, res.Revision, e.Revision)
	require.Equal(t, string(r.node.ID()), e.Node)
	require.WithinDuration(t, time.Now().Add(time.Hour), e.Expires, time.Minute)
	require.Nil(t, e.Lock)

	require.NoError(t, r.client.Delete(r.ctx, "r", "k/../\x00\xff", ""))
	_, err = r.client.Get(r.ctx, "r", "k/../\x00\xff")
	require.ErrorIs(t, err, code(admin.CodeNotFound))
}

func TestErrorsCarryWhatFailed(t *testing.T) {
	r := newRig(t)
	lease, err := r.reg.TryLock(r.ctx, "held")
	require.NoError(t, err)
	bg, cancel := context.WithCancel(r.ctx)
	cancel()
	for _, tt := range []struct {
		name string
		call func() error
		want admin.Code
	}{
		{"absent", func() error { _, err := r.client.Get(r.ctx, "r", "k"); return err }, admin.CodeNotFound},
		{"absent ttl", func() error { _, err := r.client.TTL(r.ctx, "r", "k"); return err }, admin.CodeNotFound},
		{"absent expire", func() error { return r.client.Expire(r.ctx, "r", "k", time.Hour, "") }, admin.CodeNotFound},
		{"absent persist", func() error { return r.client.Persist(r.ctx, "r", "k", "") }, admin.CodeNotFound},
		{"no registry", func() error { _, err := r.client.Get(r.ctx, "nosuch", "k"); return err }, admin.CodeNoRegistry},
		{"drop no registry", func() error { return r.client.DropRegistry(r.ctx, "nosuch") }, admin.CodeNoRegistry},
		{"private and public", func() error {
			_, err := r.client.AddRegistry(r.ctx, "p", admin.RegistryParams{})
			require.NoError(t, err)
			_, err = r.client.AddRegistry(r.ctx, "p", admin.RegistryParams{Public: true})
			return err
		}, admin.CodeBadRequest},
		{"no name", func() error {
			_, err := r.client.AddRegistry(r.ctx, "", admin.RegistryParams{Public: true})
			return err
		}, admin.CodeBadRequest},
		{"empty key", func() error { _, err := r.client.Get(r.ctx, "r", ""); return err }, admin.CodeBadRequest},
		{"long key", func() error {
			_, err := r.client.Put(r.ctx, "r", strings.Repeat("k", 1025), nil, admin.PutParams{})
			return err
		}, admin.CodeBadRequest},
		{"long value", func() error {
			_, err := r.client.Put(r.ctx, "r", "k", make([]byte, minikv.DefaultMaxValueLen+1), admin.PutParams{})
			return err
		}, admin.CodeTooLarge},
		{"longest body", func() error {
			_, err := r.client.Put(r.ctx, "r", "k", make([]byte, minikv.MaxValueLen+1), admin.PutParams{})
			return err
		}, admin.CodeTooLarge},
		{"negative ttl", func() error {
			_, err := r.client.Put(r.ctx, "r", "k", nil, admin.PutParams{TTL: -1})
			return err
		}, admin.CodeBadRequest},
		{"locked put", func() error { _, err := r.client.Put(r.ctx, "r", "held", nil, admin.PutParams{}); return err }, admin.CodeLocked},
		{"locked delete", func() error { return r.client.Delete(r.ctx, "r", "held", "") }, admin.CodeLocked},
		{"locked lock", func() error { _, err := r.client.Lock(r.ctx, "r", "held", admin.LockParams{}); return err }, admin.CodeLocked},
		{"locked lock, waiting", func() error {
			_, err := r.client.Lock(r.ctx, "r", "held", admin.LockParams{Wait: 20 * time.Millisecond})
			return err
		}, admin.CodeLocked},
		{"locked hold", func() error { _, err := r.client.Hold(r.ctx, "r", "held", admin.LockParams{}); return err }, admin.CodeLocked},
		{"locked batch", func() error {
			_, err := r.client.Batch(r.ctx, "r", []admin.Record{{Key: "held"}})
			return err
		}, admin.CodeLocked},
		{"wait too long", func() error {
			_, err := r.client.Lock(r.ctx, "r", "k", admin.LockParams{Wait: 1000 * time.Hour})
			return err
		}, admin.CodeBadRequest},
		{"lease too short", func() error {
			_, err := r.client.Lock(r.ctx, "r", "k", admin.LockParams{TTL: 1})
			return err
		}, admin.CodeBadRequest},
		{"no token", func() error { return r.client.Unlock(r.ctx, "r", "held", "x") }, admin.CodeBadRequest},
		{"no token in a put", func() error {
			_, err := r.client.Put(r.ctx, "r", "held", nil, admin.PutParams{Token: "x"})
			return err
		}, admin.CodeBadRequest},
		{"another token", func() error { return r.client.Unlock(r.ctx, "r", "held", strings.Repeat("0", 47)+"1") }, admin.CodeLeaseLost},
		{"no peer", func() error {
			_, err := r.client.Connect(r.ctx, "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWCheiFXk5Kxs6WBLmGZGJNsxuR2sB71RjzuXeRoexYCmt")
			return err
		}, admin.CodeNoPeer},
		{"no address", func() error { _, err := r.client.Connect(r.ctx, ""); return err }, admin.CodeBadRequest},
		{"bad record", func() error {
			_, err := r.client.Batch(r.ctx, "r", []admin.Record{{Key: "a"}, {Key: ""}})
			return err
		}, admin.CodeBadRequest},
		{"given up", func() error { _, err := r.client.Get(bg, "r", "k"); return err }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call()
			if tt.want == "" {
				require.ErrorIs(t, err, context.Canceled)
				return
			}
			var e *admin.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.want, e.Code, e.Message)
			require.NotEmpty(t, e.Message)
			require.NotContains(t, e.Message, "\n")
			if tt.want == admin.CodeLocked {
				require.Equal(t, "held", e.Key)
				require.Equal(t, "r", e.Registry)
				require.Equal(t, string(r.node.ID()), e.Owner)
				require.Positive(t, e.Wait)
			}
		})
	}
	require.NoError(t, lease.Unlock(r.ctx))
}

func TestMistakesInRequests(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		want                       string
	}{
		{"unknown path", "GET", "/v2/entry", "", 400, "this node has no GET"},
		{"unknown method", "PATCH", "/v1/entry", "", 400, "this node has no PATCH"},
		{"no registry", "GET", "/v1/entry?key=k", "", 400, "names no registry"},
		{"bad query", "GET", "/v1/entry?registry=%zz", "", 400, "not well formed"},
		{"bad duration", "PUT", "/v1/entry?registry=r&key=k&ttl=5", "v", 400, "is no duration"},
		{"bad duration of expire", "PUT", "/v1/ttl?registry=r&key=k&ttl=", "", 400, ""},
		{"bad flag", "PUT", "/v1/entry?registry=r&key=k&lock=maybe", "v", 400, "true or false"},
		{"bad options", "POST", "/v1/registries?registry=x", "{", 400, "options of the registry"},
		{"options too long", "POST", "/v1/registries?registry=x", strings.Repeat(" ", 65<<10), 413, "more than 65536 bytes"},
		{"rubbish batch", "POST", "/v1/batch?registry=r", "{}\n", 400, "record 1: no key"},
		{"batch of too many", "POST", "/v1/batch?registry=r", strings.Repeat(`{"key":"k","value":""}`+"\n", 10_001), 413, "more than 10000 records"},
		{"negative wait", "POST", "/v1/lock?registry=r&key=k&wait=-1s", "", 400, "wait -1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := r.raw(tt.method, tt.target, strings.NewReader(tt.body))
			require.Equal(t, tt.status, status, body)
			var e admin.Error
			require.NoError(t, json.Unmarshal([]byte(body), &e))
			require.Contains(t, e.Message, tt.want)
			require.NotEmpty(t, e.Code)
		})
	}
	n, err := r.reg.Len(r.ctx)
	require.NoError(t, err)
	require.Zero(t, n, "nothing was written")
}

func TestBodyThatBreaksOff(t *testing.T) {
	r := newRig(t)
	broken := io.MultiReader(strings.NewReader("half"), errorReader{})
	status, body := r.raw("PUT", "/v1/entry?registry=r&key=k", broken)
	require.Equal(t, 400, status)
	require.Contains(t, body, "broke off")
	_, err := r.reg.Get(r.ctx, "k")
	require.ErrorIs(t, err, minikv.ErrNotFound)
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("cable cut") }

func TestBrowsersAndOtherHostsAreRefused(t *testing.T) {
	r := newRig(t)
	header := func(k, v string) func(*http.Request) { return func(q *http.Request) { q.Header.Set(k, v) } }
	host := func(h string) func(*http.Request) { return func(q *http.Request) { q.Host = h } }
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"a page", header("Origin", "http://evil.example"), 400},
		{"a page of our own", header("Origin", "http://localhost"), 400},
		{"cross-site", header("Sec-Fetch-Site", "cross-site"), 400},
		{"rebound name", host("evil.example:7421"), 400},
		{"another address", host("192.0.2.1:7421"), 400},
		{"no host", host(""), 400},
		{"localhost", host("localhost:7421"), 200},
		{"IPv4", host("127.0.0.1:7421"), 200},
		{"IPv6", host("[::1]:7421"), 200},
		{"IPv6 without port", host("[::1]"), 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := r.raw("PUT", "/v1/entry?registry=r&key=k", strings.NewReader("v"), tt.change)
			require.Equal(t, tt.want, status, body)
		})
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	_, err := r.reg.Put(r.ctx, "k", []byte("v"))
	require.NoError(t, err)
	_, err = r.client.AddRegistry(r.ctx, "another", admin.RegistryParams{Public: true, DefaultTTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	s, err := r.client.Status(r.ctx)
	require.NoError(t, err)
	require.Equal(t, string(r.node.ID()), s.Node)
	require.Equal(t, "rig", s.Name)
	require.Equal(t, "v", s.Version)
	require.Equal(t, "none", s.Discovery)
	require.Equal(t, "memory", s.Storage)
	require.Equal(t, []admin.Peer{}, s.Peers)
	require.Equal(t, []string{}, s.Addrs)
	require.Equal(t, uint64(1), s.Metrics.Puts)
	require.Len(t, s.Registries, 2)
	require.Equal(t, admin.Registry{
		Name: "r", Keys: 1, Root: r.reg.Root().String(), Kind: admin.KindPublic, Rights: admin.RightsWrite, Bytes: r.reg.Metrics().Bytes, Puts: 1,
	}, s.Registries[1])

	require.NoError(t, r.client.DropRegistry(r.ctx, "another"))
	regs, err := r.client.Registries(r.ctx)
	require.NoError(t, err)
	require.Len(t, regs, 1)
	peers, err := r.client.Peers(r.ctx)
	require.NoError(t, err)
	require.Empty(t, peers)
	done, err := r.client.Sync(r.ctx, "")
	require.NoError(t, err)
	require.Empty(t, done)
	done, err = r.client.Sync(r.ctx, "12D3KooWCheiFXk5Kxs6WBLmGZGJNsxuR2sB71RjzuXeRoexYCmt")
	require.NoError(t, err)
	require.NotEmpty(t, done[0].Error)
}

// TestBatchWritesOnlyWhatDiffers pins what makes an import resumable.
func TestBatchWritesOnlyWhatDiffers(t *testing.T) {
	r := newRig(t)
	soon := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	records := []admin.Record{
		{Key: "plain", Value: []byte("v")},
		{Key: "ttl", Value: []byte("v"), TTL: time.Hour},
		{Key: "expires", Value: []byte("v"), Expires: soon},
		{Key: "past", Value: []byte("v"), Expires: time.Now().Add(-time.Second)},
	}
	res, err := r.client.Batch(r.ctx, "r", records)
	require.NoError(t, err)
	require.Equal(t, admin.BatchResult{Written: 3, Expired: 1}, res)
	before := r.node.Metrics().Puts
	res, err = r.client.Batch(r.ctx, "r", records)
	require.NoError(t, err)
	require.Equal(t, admin.BatchResult{Unchanged: 3, Expired: 1}, res)
	require.Equal(t, before, r.node.Metrics().Puts)

	for _, tt := range []struct {
		name   string
		change admin.Record
	}{
		{"value", admin.Record{Key: "plain", Value: []byte("w")}},
		{"expiry added", admin.Record{Key: "plain", Value: []byte("w"), TTL: time.Hour}},
		{"expiry changed", admin.Record{Key: "expires", Value: []byte("v"), Expires: soon.Add(time.Minute)}},
		{"expiry ended", admin.Record{Key: "expires", Value: []byte("v")}},
	} {
		res, err := r.client.Batch(r.ctx, "r", []admin.Record{tt.change})
		require.NoError(t, err, tt.name)
		require.Equal(t, admin.BatchResult{Written: 1}, res, tt.name)
	}
	res, err = r.client.Batch(r.ctx, "r", nil)
	require.NoError(t, err)
	require.Zero(t, res)
}

// Of several records of a key the last one counts, also where that is what was held before.
func TestTheLastRecordOfAKeyCounts(t *testing.T) {
	r := newRig(t)
	_, err := r.reg.Put(r.ctx, "k", []byte("last"))
	require.NoError(t, err)
	res, err := r.client.Batch(r.ctx, "r", []admin.Record{{Key: "k", Value: []byte("first")}, {Key: "k", Value: []byte("last")}})
	require.NoError(t, err)
	require.Equal(t, admin.BatchResult{Written: 2}, res)
	e, err := r.reg.Get(r.ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "last", string(e.Value))
}

func TestURLParametersAreBytes(t *testing.T) {
	r := newRig(t)
	status, _ := r.raw("PUT", "/v1/entry?"+url.Values{"registry": {"r"}, "key": {"a b&c=d/\xfe"}}.Encode(), strings.NewReader(""))
	require.Equal(t, 200, status)
	e, err := r.reg.Get(r.ctx, "a b&c=d/\xfe")
	require.NoError(t, err)
	require.Empty(t, e.Value)
}
