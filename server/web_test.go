package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
)

const token = "a-token-of-a-length-that-will-do"

// webRig is a node served by HTTP, called without a network.
type webRig struct {
	*rig
	handler http.Handler
}

func newWebRig(t *testing.T, addr string, cfg server.WebConfig) *webRig {
	t.Helper()
	r := newRig(t)
	w, err := r.server.Web(addr, cfg)
	require.NoError(t, err)
	return &webRig{rig: r, handler: w.Handler()}
}

func (r *webRig) do(method, target, body string, headers ...string) *http.Response {
	r.t.Helper()
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, target, b).WithContext(r.ctx)
	req.Host = "127.0.0.1:7422"
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		if k == "Host" {
			req.Host = v
			continue
		}
		req.Header.Add(k, v)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w.Result()
}

func (r *webRig) status(want int, method, target, body string, headers ...string) string {
	r.t.Helper()
	res := r.do(method, target, body, headers...)
	b, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	require.Equal(r.t, want, res.StatusCode, "%s %s %v: %s", method, target, headers, b)
	return string(b)
}

const bearer = "Authorization: Bearer " + token

func TestLoopbackWithoutATokenOnlyReads(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	put := "/v1/entry?registry=r&key=k"
	require.Contains(t, r.status(403, "PUT", put, "v"), "--admin-write")
	require.Contains(t, r.status(403, "PUT", put, "v", bearer), "read_only", "there is no token that could be shown")
	r.status(404, "GET", put, "")
	r.status(403, "DELETE", put, "")
	r.status(403, "POST", "/v1/sync", "")
	r.status(403, "POST", "/v1/lock?registry=r&key=k", "")
	r.status(200, "GET", "/v1/status", "")
	r.status(400, "GET", "/v1/nonsense", "")
}

func TestWriteFlagLetsLocalProgramsWrite(t *testing.T) {
	r := newWebRig(t, "[::1]:7422", server.WebConfig{Write: true})
	put := "/v1/entry?registry=r&key=k"
	r.status(200, "PUT", put, "v")
	// A browser has to show that its call comes from the page.
	require.Contains(t, r.status(403, "PUT", put, "v", "Origin: http://127.0.0.1:7422"), "load it again")
	r.status(403, "PUT", put, "v", "Sec-Fetch-Site: same-origin", server.CSRFHeader+": 00")
}

func TestCallsNeedTheToken(t *testing.T) {
	for name, r := range map[string]*webRig{
		"any interface": newWebRig(t, "0.0.0.0:7422", server.WebConfig{Token: token}),
		"no host":       newWebRig(t, ":7422", server.WebConfig{Token: token}),
		"an address":    newWebRig(t, "192.0.2.1:7422", server.WebConfig{Token: token}),
		"loopback":      newWebRig(t, "127.0.0.1:7422", server.WebConfig{Token: token}),
		"a proxy":       newWebRig(t, "127.0.0.1:7422", server.WebConfig{Token: token, Hosts: []string{"kv.example"}}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/v1/status", "/metrics", "/v1/entry?registry=r&key=k", "/debug/pprof/"} {
				res := r.do("GET", path, "")
				require.Equal(t, 401, res.StatusCode, path)
				require.Contains(t, res.Header.Get("WWW-Authenticate"), "Bearer")
			}
			r.status(200, "GET", "/metrics", "", bearer)
			r.status(200, "PUT", "/v1/entry?registry=r&key=k", "v", bearer)
			r.status(401, "GET", "/metrics", "", "Authorization: Bearer "+token+"x")
			r.status(401, "PUT", "/v1/entry?registry=r&key=k", "v")
			require.Equal(t, "ok\n", r.status(200, "GET", "/healthz", ""))
			require.Equal(t, "ready\n", r.status(200, "GET", "/readyz", ""))
			res := r.do("GET", "/", "", "Accept: text/html")
			require.Equal(t, 303, res.StatusCode)
			require.Equal(t, "/login", res.Header.Get("Location"))
		})
	}
}

func TestBrowsersLogIn(t *testing.T) {
	r := newWebRig(t, "0.0.0.0:7422", server.WebConfig{Token: token})
	form := "Content-Type: application/x-www-form-urlencoded"
	res := r.do("POST", "/login", "token="+token, form)
	require.Equal(t, 303, res.StatusCode)
	require.Equal(t, "/", res.Header.Get("Location"))
	c := res.Cookies()[0]
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	cookie := "Cookie: " + c.Name + "=" + c.Value
	r.status(200, "GET", "/v1/status", "", cookie)
	require.Contains(t, r.status(403, "PUT", "/v1/entry?registry=r&key=k", "v", cookie), "read_only", "a page only reads")
	end, mac, _ := strings.Cut(c.Value, ".")
	r.status(401, "GET", "/v1/status", "", "Cookie: "+c.Name+"=9"+end+"."+mac)
	r.status(401, "GET", "/v1/status", "", "Cookie: "+c.Name+"=1.")
	r.status(401, "GET", "/v1/status", "", "Cookie: "+c.Name+"="+url.QueryEscape("\xff"))
	require.Equal(t, -1, r.do("POST", "/logout", "", cookie).Cookies()[0].MaxAge)

	res = r.do("POST", "/login", "token=wrong", form)
	require.Equal(t, "/login?wrong=1", res.Header.Get("Location"))
	require.Empty(t, res.Cookies())
	res = r.do("POST", "/login", "token="+token+strings.Repeat("x", 5000), form)
	require.Equal(t, "/login?wrong=1", res.Header.Get("Location"), "too long a form is not read")
	other := newWebRig(t, "0.0.0.0:7422", server.WebConfig{Token: token})
	other.status(401, "GET", "/v1/status", "", cookie)
}

func TestOtherSitesAreTurnedAway(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{Write: true})
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		want               int
	}{
		{"rebound name", "GET", "/v1/status", []string{"Host: evil.example:7422"}, 403},
		{"rebound name, health", "GET", "/healthz", []string{"Host: evil.example"}, 403},
		{"no name", "GET", "/v1/status", []string{"Host: "}, 403},
		{"address", "GET", "/v1/status", []string{"Host: 192.0.2.1:7422"}, 200},
		{"IPv6", "GET", "/v1/status", []string{"Host: [::1]:7422"}, 200},
		{"IPv6 without port", "GET", "/v1/status", []string{"Host: [::1]"}, 200},
		{"localhost", "GET", "/v1/status", []string{"Host: localhost"}, 200},
		{"a page of another site reads", "GET", "/v1/status", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"of another port", "GET", "/v1/status", []string{"Sec-Fetch-Site: same-site"}, 403},
		{"with an origin", "GET", "/v1/status", []string{"Origin: https://evil.example"}, 403},
		{"of a sandbox", "GET", "/v1/status", []string{"Origin: null"}, 403},
		{"writes", "PUT", "/v1/entry?registry=r&key=k", []string{"Origin: https://evil.example"}, 403},
		{"writes with the token", "PUT", "/v1/entry?registry=r&key=k", []string{"Origin: https://evil.example", bearer}, 403},
		{"logs in", "POST", "/login", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"a link to the page", "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
		{"a frame of the page", "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, 403},
		{"a link to data", "GET", "/v1/status", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 403},
		{"the page itself", "GET", "/v1/status", []string{"Sec-Fetch-Site: same-origin"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) { r.status(tt.want, tt.method, tt.path, "", tt.headers...) })
	}
	n, err := r.reg.Len(r.ctx)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestSecurityHeaders(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	for _, path := range []string{"/", "/v1/status", "/v1/nonsense", "/metrics", "/login"} {
		h := r.do("GET", path, "").Header
		csp := h.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'", path)
		require.NotContains(t, csp, "unsafe", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
		require.Contains(t, h.Get("Cache-Control"), "no-store", path)
	}
}

func TestProfileOnlyWhenAskedFor(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	r.status(400, "GET", "/debug/pprof/", "")
	r = newWebRig(t, "127.0.0.1:7422", server.WebConfig{Profile: true})
	require.Contains(t, r.status(200, "GET", "/debug/pprof/", ""), "goroutine")
	status, _ := r.raw("GET", "/debug/pprof/cmdline", nil)
	require.Equal(t, 200, status, "the admin socket always has it")
}

func TestReadiness(t *testing.T) {
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{})
	require.Equal(t, "ready\n", r.status(200, "GET", "/readyz", ""))
	require.NoError(t, r.node.Close())
	require.Contains(t, r.status(503, "GET", "/readyz", ""), "not ready: ")
	require.Equal(t, "ok\n", r.status(200, "GET", "/healthz", ""))
}

// What the directory keeps has to be open before the node is ready.
func TestNotReadyBeforeRegistriesAreOpen(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		n, err := minikv.Open(t.Context(), dir, minikv.Config{})
		require.NoError(t, err)
		s := server.New(n, server.Config{})
		w, err := s.Web("127.0.0.1:0", server.WebConfig{})
		require.NoError(t, err)
		r := &webRig{rig: &rig{t: t, ctx: t.Context()}, handler: w.Handler()}
		if i == 1 {
			require.Contains(t, r.status(503, "GET", "/readyz", ""), `registry "kept" is kept in the directory and not open yet`)
		}
		_, err = n.Registry(t.Context(), "kept", minikv.Public())
		require.NoError(t, err)
		r.status(200, "GET", "/readyz", "")
		require.NoError(t, s.Close())
		require.NoError(t, n.Close())
	}
}

func TestWebConfigIsChecked(t *testing.T) {
	r := newRig(t)
	for addr, cfg := range map[string]server.WebConfig{
		"0.0.0.0:0":   {},
		":0":          {},
		"192.0.2.1:0": {Write: true},
		"127.0.0.1:0": {Hosts: []string{"kv.example"}},
	} {
		_, err := r.server.Web(addr, cfg)
		require.ErrorIs(t, err, server.ErrNoToken, addr)
		_, err = server.ListenWeb(r.ctx, addr, cfg)
		require.ErrorIs(t, err, server.ErrNoToken, addr)
	}
	for _, addr := range []string{"", "127.0.0.1", "kv.example:80", "127.0.0.1:"} {
		_, err := server.ListenWeb(r.ctx, addr, server.WebConfig{Token: token})
		require.Error(t, err, addr)
	}
	_, err := server.ListenWeb(r.ctx, "127.0.0.1:0", server.WebConfig{Token: "short"})
	require.ErrorContains(t, err, "20 or more")
}

func TestServedOverTCP(t *testing.T) {
	r := newRig(t)
	l, err := server.ListenWeb(r.ctx, "127.0.0.1:0", server.WebConfig{})
	require.NoError(t, err)
	w, err := r.server.Web("127.0.0.1:0", server.WebConfig{})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- w.Serve(l) }()
	res, err := http.Get("http://" + l.Addr().String() + "/healthz")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	long, err := http.NewRequest("GET", "http://"+l.Addr().String()+"/healthz", nil)
	require.NoError(t, err)
	long.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	res, err = http.DefaultClient.Do(long)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, r.server.Close())
	require.NoError(t, <-done)
}

func TestReadToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), server.TokenFile)
	_, err := server.ReadToken(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	write := func(mode os.FileMode, text string) error {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		_, err := server.ReadToken(path)
		return err
	}
	require.NoError(t, write(0o600, " "+token+"\n"))
	require.NoError(t, write(0o400, token))
	require.ErrorContains(t, write(0o640, token), "chmod 600")
	require.ErrorContains(t, write(0o604, token), "mode 0604")
	require.ErrorContains(t, write(0o600, "short"), "20 or more")
	require.ErrorContains(t, write(0o600, ""), "0 bytes")
	require.ErrorContains(t, write(0o600, token+" "+token), "characters")
	require.ErrorContains(t, write(0o600, token+"é"), "characters")
	require.ErrorContains(t, write(0o600, strings.Repeat("x", 5000)), "more than")
}
