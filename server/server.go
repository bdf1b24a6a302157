// Package server offers a node to other programs of the same machine: the admin API that the command line uses, HTTP with JSON over a
// unix socket or loopback TCP. Package admin describes the protocol and has the client.
//
// The API asks nobody who they are. The unix socket is open to its owner alone; on TCP every user of the machine may call, but
// no other machine, and no web page by way of a browser.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/minikv/minikv"
)

// Limits that hold for all callers together. A call over them is answered with CodeBusy.
const (
	maxStreams = 256 // watches, listings and held locks at a time
	maxBatches = 4   // batches and large values in memory at a time
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
	ctx     context.Context // ends streams and held locks
	stop    context.CancelFunc
	streams chan struct{}
	batches chan struct{}
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
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// Handler is the API as a handler, for those who serve it themselves.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/entry":         s.getEntry,
		"PUT /v1/entry":         s.putEntry,
		"DELETE /v1/entry":      s.deleteEntry,
		"GET /v1/ttl":           s.getTTL,
		"PUT /v1/ttl":           s.putTTL,
		"DELETE /v1/ttl":        s.deleteTTL,
		"GET /v1/keys":          s.listKeys,
		"GET /v1/entries":       s.listEntries,
		"GET /v1/watch":         s.watch,
		"POST /v1/batch":        s.batch,
		"POST /v1/lock":         s.lock,
		"POST /v1/lock/hold":    s.hold,
		"DELETE /v1/lock":       s.unlock,
		"GET /v1/status":        s.getStatus,
		"GET /v1/peers":         s.listPeers,
		"POST /v1/peers":        s.connect,
		"POST /v1/sync":         s.sync,
		"GET /v1/snapshot":      s.snapshot,
		"POST /v1/compact":      s.compact,
		"GET /v1/registries":    s.listRegistries,
		"POST /v1/registries":   s.addRegistry,
		"DELETE /v1/registries": s.dropRegistry,
	} {
		mux.HandleFunc(pattern, s.handle(h))
	}
	mux.HandleFunc("/", s.handle(unknownCall))
	return guard(mux)
}
