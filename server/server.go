// Package server offers a node to other programs: the admin API that the command line uses, HTTP with JSON. Package admin describes
// the protocol and has the client.
//
// There are two ways in, to the same handlers. [Listen] opens a unix socket or loopback TCP for the command line; there the API
// asks nobody who they are: the socket is open to its owner alone, on TCP every user of the machine may call, but no other machine,
// and no web page by way of a browser. [Server.Web] is for browsers, Prometheus and other machines: it has a token, sessions,
// and a guard against pages of other sites.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/minikv/minikv"
)

// Limits that hold for all callers together. A call over them is answered with CodeBusy.
const (
	maxStreams = 256 // watches, listings and held locks at a time
	maxBatches = 4   // batches and large values in memory at a time; others wait, see largeCall
)

// Config describes the node to its callers. Every field may be zero.
type Config struct {
	Version   string       // of the program
	Admin     string       // address the API is served at
	Discovery string       // as the node was started with
	Storage   string       // the node's directory; default "memory", which is what a node without one says
	Logger    *slog.Logger // default: nothing is logged
}

// Server is the admin API of one node. Use [New]. Safe for concurrent use.
type Server struct {
	node    *minikv.Node
	cfg     Config
	started time.Time
	http    *http.Server
	mu      sync.Mutex
	webs    []*http.Server  // closed with the server
	ctx     context.Context // ends streams and held locks
	stop    context.CancelFunc
	streams chan struct{}
	batches chan struct{}
	meters  *meters

	recorder recorder
}

// New makes the API of a node, which stays the caller's: close the server first, then the node.
func New(node *minikv.Node, cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Storage == "" {
		cfg.Storage = "memory"
	}
	s := &Server{node: node, cfg: cfg, started: time.Now(), streams: make(chan struct{}, maxStreams), batches: make(chan struct{}, maxBatches)}
	s.recorder = recorder{s: s, followed: map[string]*followed{}, news: make(chan struct{})}
	s.meters = newMeters(node, cfg.Version)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.Handler(),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers calls on l until Close, then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends watches and listings, releases held locks, gives other calls five seconds to finish, and closes the listeners.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.mu.Lock()
	all := append(s.webs, s.http)
	s.mu.Unlock()
	var errs []error
	for _, h := range all {
		if err := h.Shutdown(ctx); err != nil {
			errs = append(errs, h.Close())
		}
	}
	s.recorder.begin.Do(func() {}) // not any more
	s.recorder.wg.Wait()
	return errors.Join(errs...)
}

// adopt makes Close close another server of the same handlers.
func (s *Server) adopt(h *http.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webs = append(s.webs, h)
}

// Handler is the API of the unix socket and of loopback TCP as a handler, for those who serve it themselves.
func (s *Server) Handler() http.Handler { return guard(s.mux(true)) }
