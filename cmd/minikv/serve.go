package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/spf13/cobra"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

const serveHelp = `Run a node until SIGTERM or SIGINT, which end it cleanly (exit code 0).

Data is in memory in this version: what a node holds is gone when it ends, unless another node shares it. The directory (--dir) holds the node's
key, so that it stays the same node, and the admin socket; with --memory there is neither key nor directory, and the socket is among the
temporary files. Private registries, the one called "default" among them, come with tickets in a later version: open public ones with --public here
or with 'minikv reg add NAME --public'.`

// serveFlags are the flags of serve.
type serveFlags struct {
	dir, admin, name, discovery string
	memory, verbose             bool
	listen, peers, public       []string
	maxValue                    int
}

func newServe(a *app) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", GroupID: "node", Args: takes(),
		Short:   "Run a node",
		Long:    serveHelp,
		Example: "  minikv serve --public cities\n  minikv serve --memory --public cities --peer /ip4/192.0.2.7/tcp/7420/p2p/12D3KooW…",
	}
	fl := c.Flags()
	fl.StringVar(&f.dir, "dir", "", "directory of the node's key and admin socket (default ~/.local/share/minikv)")
	fl.BoolVar(&f.memory, "memory", false, "no directory: a new identity each time")
	fl.StringVar(&f.admin, "admin", "", "where commands reach the node: unix:PATH or a loopback HOST:PORT (default: a socket in the directory)")
	fl.StringArrayVar(&f.listen, "listen", nil, "multiaddr to listen on, repeatable (default: TCP and QUIC on all interfaces, port 7420 or a free one)")
	fl.StringArrayVar(&f.peers, "peer", nil, "multiaddr of a node to stay connected to, ending in /p2p/ID, repeatable")
	fl.StringArrayVar(&f.public, "public", nil, "open this registry without a secret, repeatable: whoever reaches the node and knows the name shares it")
	fl.StringVar(&f.discovery, "discovery", "lan", "lan: find nodes by mDNS and ask the router for a port; none: only --peer, nothing is sent to anyone else")
	fl.IntVar(&f.maxValue, "max-value", minikv.DefaultMaxValueLen, "longest value that may be written here, in bytes")
	fl.StringVar(&f.name, "name", "", "name of the node, for people")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "log more")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		return a.serve(c.Context(), f)
	}
	return c
}

func (f *serveFlags) check() error {
	switch {
	case f.memory && f.dir != "":
		return usagef("--dir and --memory exclude each other")
	case f.discovery == "dht":
		return usagef("--discovery dht is not in this version; use lan, or none with --peer")
	case f.discovery != "lan" && f.discovery != "none":
		return usagef("--discovery %q: use lan or none", f.discovery)
	}
	if f.admin != "" {
		if _, err := admin.ParseAddr(f.admin); err != nil {
			return &usageError{err}
		}
	}
	for _, s := range f.listen {
		if _, err := multiaddr.NewMultiaddr(s); err != nil {
			return usagef("--listen %q is no multiaddr (%w); an example: /ip4/0.0.0.0/tcp/7420", s, err)
		}
	}
	for _, s := range f.peers {
		if _, err := peer.AddrInfoFromString(s); err != nil {
			return usagef("--peer %q is no address of a node (%w); serve prints its own, an example: /ip4/192.0.2.7/tcp/7420/p2p/12D3KooW…", s, err)
		}
	}
	return nil
}

// home is where a node has its key and its socket.
type home struct {
	key   ed25519.PrivateKey // nil: a new one
	admin admin.Addr
	dir   string // "": none
	std   bool   // client commands find the socket by themselves
	close func()
}

func (a *app) home(f serveFlags) (h home, err error) {
	h = home{close: func() {}, dir: f.dir}
	if f.memory {
		h.dir = ""
		if f.admin == "" {
			h.admin, err = a.memorySocket()
		}
	} else {
		def, derr := a.dataDir()
		if h.dir == "" {
			h.dir, err = def, derr
		}
		h.std = f.admin == "" && h.dir == def
	}
	if f.admin != "" {
		h.admin, _ = admin.ParseAddr(f.admin) // checked before
	} else if h.dir != "" {
		h.admin = admin.Addr{Network: "unix", Path: filepath.Join(h.dir, socketName)}
	}
	if err != nil || h.dir == "" {
		return h, err
	}
	id, err := openIdentity(h.dir)
	if err != nil {
		return h, err
	}
	h.key, h.close = id.key, func() { id.Close() }
	return h, nil
}

// serve runs a node until ctx ends.
func (a *app) serve(ctx context.Context, f serveFlags) error {
	if sighupEnds() {
		var hungUp context.CancelFunc
		ctx, hungUp = context.WithCancel(ctx)
		defer hungUp()
		defer onSignal(func(os.Signal) { hungUp() }, syscall.SIGHUP)()
	}
	h, err := a.home(f)
	if err != nil {
		return err
	}
	defer h.close()
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	l, err := server.Listen(ctx, h.admin)
	if err != nil {
		return err
	}
	defer l.Close()
	node, err := a.openNode(ctx, f, h, log)
	if err != nil {
		return err
	}
	defer node.Close()
	return a.runNode(ctx, node, l, f, h, log)
}

func (a *app) openNode(ctx context.Context, f serveFlags, h home, log *slog.Logger) (*minikv.Node, error) {
	cfg := minikv.Config{
		NodeName: f.name, Identity: h.key, Listen: f.listen, Bootstrap: f.peers, Discovery: minikv.Discovery(f.discovery), Logger: log,
		MaxValueLen: f.maxValue,
	}
	port := -1
	if len(f.listen) == 0 {
		port = choosePort()
		cfg.Listen = defaultListen(port)
	}
	node, err := minikv.Open(ctx, "", cfg)
	if port > 0 && err != nil && !errors.Is(err, minikv.ErrInvalid) { // another node may have taken the port in this moment
		cfg.Listen = defaultListen(0)
		node, err = minikv.Open(ctx, "", cfg)
	}
	if errors.Is(err, minikv.ErrInvalid) {
		return nil, &usageError{err}
	}
	if err != nil {
		return nil, err
	}
	for _, name := range f.public {
		if _, err := node.Registry(ctx, name, minikv.Public()); err != nil {
			node.Close()
			if errors.Is(err, minikv.ErrInvalid) {
				err = &usageError{err}
			}
			return nil, err
		}
	}
	return node, nil
}

// runNode serves the admin API and logs what happens, until ctx ends.
func (a *app) runNode(ctx context.Context, node *minikv.Node, l net.Listener, f serveFlags, h home, log *slog.Logger) error {
	s := server.New(node, server.Config{Version: versionText(), Admin: h.admin.String(), Discovery: f.discovery, Logger: log})
	// Whoever calls from now on waits until Serve; so a node that answers has printed all.
	if err := a.printBanner(newBanner(node, f, h)); err != nil {
		log.Warn("nobody can read what this prints", "error", err)
		a.stdout.Reset(io.Discard) // told; not a failure of the node
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	watching := make(chan struct{})
	wctx, stopWatching := context.WithCancel(ctx)
	go func() { defer close(watching); logEvents(wctx, node, log) }()

	var err error
	select {
	case <-ctx.Done():
		log.Info("stopping", "why", stopReason(ctx))
	case err = <-failed:
		err = fmt.Errorf("the admin API stopped: %w", err)
	}
	stopWatching()
	<-watching
	err = errors.Join(err, s.Close(), node.Close())
	if err == nil {
		log.Info("stopped")
	}
	return err
}

func stopReason(ctx context.Context) string {
	if errors.Is(context.Cause(ctx), errInterrupted) {
		return "asked to"
	}
	return "the terminal was closed"
}
