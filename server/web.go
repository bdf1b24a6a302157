package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"

	"github.com/minikv/minikv/server/admin"
	"github.com/minikv/minikv/server/web"
)

// Limits of the web side.
const (
	maxWebConns  = 256      // open connections; further ones wait
	maxWebHeader = 32 << 10 // bytes: a key of 1 KiB in a query has 3 KiB at most
	writeWithin  = 30 * time.Second
)

// WebConfig says who may call by HTTP and what they may do. The zero value is usable on loopback: all who reach it may read.
type WebConfig struct {
	// Token is what all callers show, as "Authorization: Bearer TOKEN" or at /login. At least MinTokenLen bytes; or none, on
	// loopback without Hosts, and then every user of the machine may read.
	Token string

	// Hosts are the names under which it may be called beside IP addresses and localhost. A page of another site can point a
	// name of its own at this address, so others are refused.
	Hosts []string

	// Write lets the inspector write, and without a token all who call. Programs that show the token may write in any case.
	Write bool

	// Profile serves /debug/pprof/.
	Profile bool
}

// MinTokenLen is the least length of a token in bytes: 16 random bytes in base64 have 22.
const MinTokenLen = 20

// ErrNoToken is in the chain of the error of [ListenWeb] and [Server.Web] where a token is needed and there is none.
var ErrNoToken = errors.New("no token")

// Web is the API for browsers and other machines: JSON, metrics, health and the inspector. Use [Server.Web]. Safe for concurrent use.
type Web struct {
	s        *Server
	cfg      WebConfig
	needsKey bool // reading needs the token, too
	sessions sessions
	http     *http.Server
}

// NeedsToken says whether calls at an address HOST:PORT need a token.
func (c WebConfig) NeedsToken(addr string) bool {
	local, err := isLoopbackAddr(addr)
	return err != nil || !local || len(c.Hosts) > 0 || c.Token != ""
}

// Check says whether [ListenWeb] would refuse an address HOST:PORT under this configuration. It opens nothing.
func (c WebConfig) Check(addr string) error {
	local, err := isLoopbackAddr(addr)
	switch {
	case err != nil:
		return err
	case c.Token != "" && len(c.Token) < MinTokenLen:
		return fmt.Errorf("the token has %d bytes; it needs %d or more, and they should be random", len(c.Token), MinTokenLen)
	case c.Token == "" && !local:
		return fmt.Errorf("%w: %s can be reached from other machines, so calls have to show one", ErrNoToken, addr)
	case c.Token == "" && len(c.Hosts) > 0:
		return fmt.Errorf("%w: calls that come by another name than localhost have to show one", ErrNoToken)
	}
	return nil
}

// ListenWeb opens an address HOST:PORT for [Server.Web], if the configuration will do for it.
func ListenWeb(ctx context.Context, addr string, cfg WebConfig) (net.Listener, error) {
	if err := cfg.Check(addr); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("http address %s: %w", addr, err)
	}
	return netutil.LimitListener(l, maxWebConns), nil
}

// Web makes the web side of a server for an address HOST:PORT, which decides whether all calls need the token. Closing the server
// closes it.
func (s *Server) Web(addr string, cfg WebConfig) (*Web, error) {
	if err := cfg.Check(addr); err != nil {
		return nil, err
	}
	w := &Web{s: s, cfg: cfg, needsKey: cfg.NeedsToken(addr), sessions: newSessions(addr)}
	w.http = &http.Server{
		Handler:           w.Handler(),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxWebHeader,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.adopt(w.http)
	s.recorder.start()
	return w, nil
}

// isLoopbackAddr says whether only this machine reaches an address HOST:PORT.
func isLoopbackAddr(addr string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return false, fmt.Errorf("address %q: give HOST:PORT, as in 127.0.0.1:7422", addr)
	}
	if host == "localhost" {
		return true, nil
	}
	if host == "" {
		return false, nil // all interfaces
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false, fmt.Errorf("address %q: HOST has to be an IP address or localhost; names for callers go elsewhere", addr)
	}
	return ip.IsLoopback(), nil
}

// Serve answers calls on l until the server is closed, then returns nil.
func (w *Web) Serve(l net.Listener) error {
	if err := w.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Handler is the web side as a handler, for those who serve it themselves.
func (w *Web) Handler() http.Handler {
	mux := w.s.mux(w.cfg.Profile)
	mux.HandleFunc("GET /{$}", w.index)
	mux.Handle("GET /static/", web.Assets())
	mux.HandleFunc("GET /login", w.loginPage)
	mux.HandleFunc("POST /login", w.login)
	mux.HandleFunc("POST /logout", w.logout)
	return w.guard(mux)
}

// index is the inspector.
func (w *Web) index(rw http.ResponseWriter, r *http.Request) {
	w.show(rw, web.Page{
		Version: w.s.cfg.Version, Node: string(w.s.node.ID()), Name: w.s.node.Name(), Write: w.cfg.Write,
		CSRF: w.sessions.csrf(r), Session: w.sessions.has(r),
	})
}

// show renders a page.
func (w *Web) show(rw http.ResponseWriter, page interface{ Render(io.Writer) error }) {
	var b bytes.Buffer
	if err := page.Render(&b); err != nil { // a mistake in the page itself
		writeError(rw, admin.Errorf(admin.CodeInternal, "the page: %v", err))
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = rw.Write(b.Bytes()) // the caller has gone; nobody to tell
}

// patient gives each part of an answer its own time to leave: a stream may last, a caller who does not read may not.
type patient struct{ http.ResponseWriter }

func (p patient) Write(b []byte) (int, error) {
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(writeWithin)) // not every writer of a test has one
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// FlushError is Flush with the same patience.
func (p patient) FlushError() error {
	rc := http.NewResponseController(p.ResponseWriter)
	_ = rc.SetWriteDeadline(time.Now().Add(writeWithin))
	return rc.Flush()
}

func randomKey() (k [32]byte) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}
