package admin_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/admin"
)

// answering is a client of a node that answers like this.
func answering(t *testing.T, h http.HandlerFunc) *admin.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c := admin.NewClient(admin.Addr{Network: "tcp", Path: strings.TrimPrefix(s.URL, "http://")})
	t.Cleanup(c.Close)
	return c
}

// A snapshot that breaks off is told from one that is complete, however it breaks off.
func TestSnapshotsThatBreakOff(t *testing.T) {
	begin := func(w http.ResponseWriter) {
		w.Header().Set("Trailer", admin.ErrorTrailer)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		code   admin.Code // empty: none
	}{
		"OK": {func(w http.ResponseWriter, _ *http.Request) { begin(w) }, ""},
		"an error of the node": {func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			w.Header().Set(admin.ErrorTrailer, `{"code":"storage","message":"m"}`)
		}, admin.CodeStorage},
		"an error nobody can read": {func(w http.ResponseWriter, _ *http.Request) { begin(w); w.Header().Set(admin.ErrorTrailer, "?") }, admin.CodeInternal},
		"the end of the node":      {func(w http.ResponseWriter, _ *http.Request) { begin(w); panic(http.ErrAbortHandler) }, admin.CodeClosed},
		"an error before it": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"code":"bad_request"}`))
		}, admin.CodeBadRequest},
	} {
		var got bytes.Buffer
		err := answering(t, func(w http.ResponseWriter, r *http.Request) { tt.answer(w, r) }).Snapshot(context.Background(), &got)
		if tt.code == "" {
			require.NoError(t, err, name)
			require.Equal(t, 100_000, got.Len(), name)
		} else {
			require.ErrorIs(t, err, &admin.Error{Code: tt.code}, name)
		}
	}
}

type fullWriter struct{}

var errFull = errors.New("no room")

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestSnapshotTellsTheWritersError(t *testing.T) {
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) })
	require.ErrorIs(t, c.Snapshot(context.Background(), fullWriter{}), errFull)
}
