package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
)

// FuzzGuard: whatever a caller without the token sends, nothing of the node is shown, nothing is written, and nothing panics.
func FuzzGuard(f *testing.F) {
	n, err := minikv.Open(f.Context(), "", minikv.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { n.Close() })
	reg, err := n.Registry(f.Context(), "r", minikv.Public())
	if err != nil {
		f.Fatal(err)
	}
	w, err := server.New(n, server.Config{}).Web("0.0.0.0:7422", server.WebConfig{Token: token, Hosts: []string{"kv.example"}, Write: true})
	if err != nil {
		f.Fatal(err)
	}
	h := w.Handler()
	f.Add("GET", "127.0.0.1:7422", "", "", "Bearer wrong", "same-origin")
	f.Add("PUT", "kv.example", "http://kv.example", "minikv_session_7422=99999999999.00", "", "none")
	f.Add("POST", "[::1]:1", "null", "minikv_session_7422=.", "Bearer ", "cross-site")
	f.Add("DELETE", "localhost", "http://[", "a=b; minikv_session_7422=1.a.b", "Basic eDp5", "")
	f.Fuzz(func(t *testing.T, method, host, origin, cookie, auth, site string) {
		r := httptest.NewRequest("GET", "/v1/entry?registry=r&key=k", strings.NewReader("v"))
		r.Method, r.Host = method, host
		r.Header = http.Header{"Origin": {origin}, "Cookie": {cookie}, "Authorization": {auth}, "Sec-Fetch-Site": {site}, server.CSRFHeader: {cookie}}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if strings.Contains(auth, token) {
			return
		}
		if rec.Code != 401 && rec.Code != 403 {
			t.Fatalf("answered %d: %s", rec.Code, rec.Body)
		}
		if has, err := reg.Has(t.Context(), "k"); has || err != nil {
			t.Fatal("written", err)
		}
	})
}
