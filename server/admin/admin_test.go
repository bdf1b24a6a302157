package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/server/admin"
)

func ExampleParseAddr() {
	for _, s := range []string{"unix:/run/minikv.sock", "127.0.0.1:7421", "192.0.2.1:7421"} {
		a, err := admin.ParseAddr(s)
		fmt.Println(a.Network, a.Path, err != nil)
	}
	// Output:
	// unix /run/minikv.sock false
	// tcp 127.0.0.1:7421 false
	//   true
}

func TestParseAddr(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"unix:/a/b", "unix:/a/b"},
		{"unix:///a/b", "unix:/a/b"},
		{"unix:a", "unix:a"},
		{"/a/b", "unix:/a/b"},
		{"./a", "unix:./a"},
		{"localhost:1", "localhost:1"},
		{"127.0.0.1:1", "127.0.0.1:1"},
		{"[::1]:1", "[::1]:1"},
		{"", ""}, {"unix:", ""}, {"unix:a\x00b", ""}, {"localhost", ""}, {"127.0.0.1:", ""}, {":1", ""}, {"0.0.0.0:1", ""}, {"example.org:1", ""}, {"a:b:c", ""},
	} {
		a, err := admin.ParseAddr(tt.in)
		if tt.want == "" {
			require.ErrorIs(t, err, admin.ErrAddr, tt.in)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.want, a.String())
	}
}

// bytesOf draws keys and values of every kind: text, bytes that are no text, and what JSON has trouble with.
func bytesOf(t *rapid.T, name string) []byte {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 20),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
		rapid.SampledFrom([][]byte{{}, []byte("\uFFFD"), []byte("<&>\u2028\x00"), []byte(`{"a":1}`), []byte("\xff")}),
	).Draw(t, name)
}

func TestRecordSurvivesItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := admin.Record{Key: string(bytesOf(t, "key")) + "k", Value: bytesOf(t, "value")}
		switch rapid.IntRange(0, 2).Draw(t, "expiry") {
		case 1:
			want.TTL = time.Duration(rapid.Int64Range(1, 1<<60).Draw(t, "ttl"))
		case 2:
			want.Expires = time.UnixMilli(rapid.Int64Range(0, 1<<40).Draw(t, "expires")).UTC()
		}
		b, err := json.Marshal(want)
		require.NoError(t, err)
		var got admin.Record
		require.NoError(t, json.Unmarshal(b, &got))
		require.Equal(t, want.Key, got.Key)
		require.Equal(t, string(want.Value), string(got.Value))
		require.Equal(t, want.TTL, got.TTL)
		require.True(t, want.Expires.Equal(got.Expires))
	})
}

func TestEntrySurvivesItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := admin.Entry{
			Key: string(bytesOf(t, "key")), Value: append([]byte{}, bytesOf(t, "value")...), Node: "n", Revision: "r",
			Time: time.UnixMilli(rapid.Int64Range(0, 1<<40).Draw(t, "time")).UTC(),
		}
		if rapid.Bool().Draw(t, "more") {
			want.Expires = want.Time.Add(time.Hour)
			want.Lock = &admin.Lock{Owner: "o", Token: "t", Until: want.Time}
		}
		b, err := json.Marshal(want)
		require.NoError(t, err)
		var got admin.Entry
		require.NoError(t, json.Unmarshal(b, &got))
		require.Equal(t, want, got)
		b, err = json.Marshal(admin.Key(want.Key))
		require.NoError(t, err)
		var key admin.Key
		require.NoError(t, json.Unmarshal(b, &key))
		require.Equal(t, want.Key, string(key))
	})
}

func TestTextAndBase64AreNotBothTaken(t *testing.T) {
	for _, s := range []string{
		`{"key":"a","key_base64":"YQ=="}`, `{"key_base64":"!"}`, `{"key":"a","value":"b","value_base64":"Yg=="}`, `{"value_base64":"?"}`, `{"key":7}`,
	} {
		require.Error(t, json.Unmarshal([]byte(s), new(admin.Entry)), s)
		require.Error(t, json.Unmarshal([]byte(s), new(admin.Record)), s)
	}
	require.Error(t, json.Unmarshal([]byte(`{"key":"a","key_base64":"YQ=="}`), new(admin.Key)))
	require.Error(t, json.Unmarshal([]byte(`7`), new(admin.Key)))
}

func TestErrorClass(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", admin.Errorf(admin.CodeLocked, "two\nlines"))
	require.ErrorIs(t, err, &admin.Error{Code: admin.CodeLocked})
	require.NotErrorIs(t, err, &admin.Error{Code: admin.CodeNotFound})
	require.NotErrorIs(t, err, io.EOF)
	require.Equal(t, "wrapped: two lines", err.Error())
	require.Equal(t, "locked", (&admin.Error{Code: admin.CodeLocked}).Error())
}

// fake serves one handler on a socket and gives a client for it.
func fake(t *testing.T, h http.HandlerFunc) *admin.Client {
	t.Helper()
	addr := admin.Addr{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", addr.Path)
	require.NoError(t, err)
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	c := admin.NewClient(addr)
	t.Cleanup(func() {
		c.Close()
		_ = s.Close()
		<-done
	})
	return c
}

func TestNoNode(t *testing.T) {
	addr := admin.Addr{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	c := admin.NewClient(addr)
	require.Equal(t, addr, c.Addr())
	_, err := c.Status(t.Context())
	var un *admin.UnreachableError
	require.ErrorAs(t, err, &un)
	require.Equal(t, addr, un.Addr)
	require.Error(t, errors.Unwrap(un))
	require.ErrorContains(t, err, "start one with 'minikv serve'")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.WaitReady(ctx)
	require.ErrorAs(t, err, &un, "the reason, not the time that ran out")
}

func TestWaitReadyWaits(t *testing.T) {
	addr := admin.Addr{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	c := admin.NewClient(addr)
	defer c.Close()
	ready := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		_, err := c.WaitReady(ctx)
		ready <- err
	}()
	l, err := net.Listen("unix", addr.Path)
	require.NoError(t, err)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"node":"n"}`) })}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	require.NoError(t, <-ready)
}

// TestOddAnswers: another program at the address, another version, a node that dies in the middle.
func TestOddAnswers(t *testing.T) {
	write := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"key":"a"}`+"\n"+`{"ke`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	status := func(c *admin.Client, ctx context.Context) error { _, err := c.Status(ctx); return err }
	keys := func(c *admin.Client, ctx context.Context) (err error) {
		for _, err = range c.Keys(ctx, "r", "") {
		}
		return err
	}
	hold := func(c *admin.Client, ctx context.Context) error {
		_, err := c.Hold(ctx, "r", "k", admin.LockParams{})
		return err
	}
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		call func(*admin.Client, context.Context) error
		want string
	}{
		{"not ours", write(404, "<html>404 page not found"), status, "the node answered 404 Not Found: <html>404 page not found; is it of another version?"},
		{"an error without code", write(500, `{"message":"x"}`), status, "is it of another version?"},
		{"not JSON", write(200, "hello"), status, "invalid character"},
		{"cut", cut, keys, "ended in the middle of the answer"},
		{"no newline at the end", write(200, `{"key":"a"}`), keys, "ended in the middle of the answer"},
		{"a line that is no key", write(200, "rubbish\n"), keys, "sent a line that is not understood"},
		{"an error in the stream", write(200, `{"error":{"code":"closed","message":"bye"}}`+"\n"), keys, "bye"},
		{"an error's line that is none", write(200, `{"error":7}`+"\n"), keys, ""},
		{"nothing held", write(200, ""), hold, "ended in the middle of the answer"},
		{"lost at once", write(200, `{"state":"lost","reason":"why"}`+"\n"), hold, "the lease was lost at once: why"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call(fake(t, tt.h), t.Context())
			if tt.want == "" {
				require.NoError(t, err) // a key without a name: odd, and harmless
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestTimeoutAndCancellation(t *testing.T) {
	release := make(chan struct{})
	c := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Status(ctx)
	require.ErrorIs(t, err, &admin.Error{Code: admin.CodeTimeout})
	require.ErrorContains(t, err, "did not answer in time")

	why := errors.New("asked to stop")
	ctx2, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { stop(why) })
	_, err = c.Status(ctx2)
	require.ErrorIs(t, err, why)
}

func TestEarlyStopEndsTheRequest(t *testing.T) {
	gone := make(chan struct{})
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"key":"a"}`+"\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for k, err := range c.Keys(t.Context(), "r", "") {
		require.NoError(t, err)
		require.Equal(t, "a", k)
		break
	}
	<-gone
}
