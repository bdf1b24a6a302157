package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/minikv/minikv/server"
)

// httpFlags are the flags of serve that are about HTTP.
type httpFlags struct {
	addr, token    string
	hosts          []string
	write, profile bool
}

func (f *httpFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.addr, "http", "", "serve the inspector, the admin API, /metrics, /healthz and /readyz by HTTP at HOST:PORT, such as 127.0.0.1:7422; other than loopback needs a token")
	fl.BoolVar(&f.write, "admin-write", false, "let the inspector write and, where there is no token, all who call; otherwise only programs with the token may")
	fl.StringVar(&f.token, "http-token", "", "file of the token that calls show, mode 0600 (default: "+server.TokenFile+" in the directory)")
	fl.StringArrayVar(&f.hosts, "http-host", nil, "name by which a proxy in front calls the node, repeatable: all calls need the token then")
	fl.BoolVar(&f.profile, "http-pprof", false, "serve /debug/pprof/ there, too; the admin socket always does")
}

func (f *httpFlags) check() error {
	switch {
	case f.addr != "":
		if _, port, err := net.SplitHostPort(f.addr); err != nil || port == "" {
			return usagef("--http %q: give HOST:PORT, as in 127.0.0.1:7422", f.addr)
		}
	case f.write || f.profile || f.token != "" || len(f.hosts) > 0:
		return usagef("--admin-write, --http-token, --http-host and --http-pprof are about --http HOST:PORT, which is not given")
	}
	if slices.Contains(f.hosts, "") {
		return usagef("--http-host needs a name")
	}
	return nil
}

// config reads the token, if there is one, and makes the configuration of the web side.
func (f *httpFlags) config(h home) (server.WebConfig, error) {
	c := server.WebConfig{Hosts: f.hosts, Write: f.write, Profile: f.profile}
	path := f.tokenPath(h)
	if path == "" {
		return c, nil
	}
	var err error
	c.Token, err = server.ReadToken(path)
	if errors.Is(err, fs.ErrNotExist) && f.token == "" {
		return c, nil
	}
	return c, err
}

// tokenPath is where the token is looked for; empty: nowhere, as the node has no directory.
func (f *httpFlags) tokenPath(h home) string {
	if f.token != "" || h.dir == "" {
		return f.token
	}
	return filepath.Join(h.dir, server.TokenFile)
}

// webListener is the address of HTTP with what is served there; nil where there is none.
type webListener struct {
	net.Listener // nil before open
	addr         string
	cfg          server.WebConfig
}

// plan reads the token and checks the address, and opens nothing; nil if no address was given.
func (f *httpFlags) plan(h home) (*webListener, error) {
	if f.addr == "" {
		return nil, nil
	}
	cfg, err := f.config(h)
	if err != nil {
		return nil, err
	}
	err = cfg.Check(f.addr)
	if errors.Is(err, server.ErrNoToken) {
		return nil, f.noToken(err, h)
	}
	return &webListener{addr: f.addr, cfg: cfg}, err
}

// open opens the address, before there is a node to serve.
func (l *webListener) open(ctx context.Context) (err error) {
	if l != nil {
		l.Listener, err = server.ListenWeb(ctx, l.addr, l.cfg)
	}
	return err
}

func (l *webListener) close() {
	if l != nil && l.Listener != nil {
		l.Close()
	}
}

// noToken says how to make one.
func (f *httpFlags) noToken(err error, h home) error {
	path := f.tokenPath(h)
	if path == "" {
		return fmt.Errorf("%w: a node in memory has no directory to keep one in; name its file with --http-token, or use 127.0.0.1", err)
	}
	return fmt.Errorf("%w: make one with (umask 077; mkdir -p %s; head -c 32 /dev/urandom | base64 >%s), or use 127.0.0.1", err, quoteShell(filepath.Dir(path)), quoteShell(path))
}

// serve serves a node at the address, and tells failed of the end.
func (l *webListener) serve(s *server.Server, failed chan<- error) error {
	if l == nil {
		return nil
	}
	w, err := s.Web(l.addr, l.cfg)
	if err != nil {
		return err
	}
	go func() { failed <- w.Serve(l) }()
	return nil
}

// text is the line of the banner.
func (l *webListener) text() string {
	what := "read only; --admin-write lets the page write"
	if l.cfg.Write {
		what = "the page may write"
	}
	if l.cfg.NeedsToken(l.addr) {
		what += "; the token is asked for"
	}
	return fmt.Sprintf("http://%s/ (%s)", l.Addr(), what)
}
