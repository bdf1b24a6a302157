package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/spf13/cobra"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
	"github.com/minikv/minikv/server/admin"
)

const serveHelp = `Run a node until SIGTERM or SIGINT, which end it cleanly (exit code 0).

Its registries are kept in a directory (--dir), with the node's key, so that it stays the same node, and the admin socket; all that is there is opened
again at the next start. A write returns when it is on disk, and what was acknowledged survives a kill and a power cut: see --durability. With --memory
there is neither directory nor key: what the node holds is gone when it ends, unless another node shares it, and the socket is among the temporary
files.

Several nodes on one machine each need a directory of their own, or --memory. Commands find the one in the default directory by themselves, the others
by MINIKV_ADDR or --addr: unix:DIR/admin.sock.

Registries are private unless they are opened with --public: others join them by a ticket, see 'minikv ticket' and 'minikv join'. At its first start a
node makes one called "default" (with --memory only if no other is named).`

// serveFlags are the flags of serve.
type serveFlags struct {
	dir, admin, name, discovery string
	durability, logFormat       string
	memory, verbose             bool
	listen, peers, public       []string
	relays, bootstrap           []string
	relayService, profile       string
	maxValue, cacheMiB, maxMiB  int
	resp                        respFlags
	http                        httpFlags
}

func newServe(a *app) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", GroupID: "node", Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && f.relayService != "" && (args[0] == string(minikv.RelayMembers) || args[0] == string(minikv.RelayAnyone)) {
				return usagef("--relay-service takes its value after a =: --relay-service=%s", args[0])
			}
			return takes()(c, args)
		},
		Short:   "Run a node",
		Long:    serveHelp,
		Example: "  minikv serve\n  minikv serve --memory --public cities --peer /ip4/192.0.2.7/tcp/7420/p2p/12D3KooW…",
	}
	fl := c.Flags()
	fl.StringVar(&f.dir, "dir", "", "directory of the node's data, key and admin socket (default "+defaultDirText+")")
	fl.BoolVar(&f.memory, "memory", false, "keep nothing: data in memory, a new identity each time")
	fl.StringVar(&f.durability, "durability", "sync", "when a write returns. sync: when it is on disk; group: the same, but an fsync waits 5 ms for others to join; async: at once, and a crash may cost the last second")
	fl.IntVar(&f.cacheMiB, "cache-mib", 0, "memory for what was read from disk or overwritten, in MiB (default 64, or that of the profile)")
	fl.IntVar(&f.maxMiB, "max-mib", 0, "what the entries of a registry may take, in MiB; beyond it writes of more are refused, a peer's as well (default: no limit)")
	fl.StringVar(&f.profile, "profile", "", "edge: for small machines: few connections, small buffers; server: for a node that many others use")
	fl.StringVar(&f.admin, "admin", "", "where commands reach the node: unix:PATH or a loopback HOST:PORT (default: a socket in the directory)")
	fl.StringArrayVar(&f.listen, "listen", nil, "multiaddr to listen on, repeatable (default: TCP and QUIC on all interfaces, port 7420 or a free one)")
	fl.StringArrayVar(&f.peers, "peer", nil, "multiaddr of a node to stay connected to, ending in /p2p/ID, repeatable")
	fl.StringArrayVar(&f.relays, "relay", nil, "multiaddr of a relay through which others reach this node if they cannot dial it, ending in /p2p/ID, repeatable")
	fl.StringVar(&f.relayService, "relay-service", "", "be a relay: members: for nodes that share a registry, without limits; anyone: for all, 128 KiB and 2 minutes a connection")
	fl.Lookup("relay-service").NoOptDefVal = string(minikv.RelayMembers)
	fl.StringArrayVar(&f.public, "public", nil, "open this registry without a secret, repeatable: whoever reaches the node and knows the name shares it")
	fl.StringVar(&f.discovery, "discovery", "lan", "lan: find nodes by mDNS and ask the router for a port; none: only --peer, nothing is sent to anyone else; dht: lan, and a distributed hash table, see --bootstrap")
	fl.StringArrayVar(&f.bootstrap, "bootstrap", nil, "multiaddr of a node of the distributed hash table to ask for the others, repeatable; ipfs: the public one; without any this node is one to be asked")
	fl.IntVar(&f.maxValue, "max-value", minikv.DefaultMaxValueLen, "longest value that may be written here, in bytes")
	fl.StringVar(&f.name, "name", "", "name of the node, for people")
	f.http.add(fl)
	f.resp.add(fl)
	fl.StringVar(&f.logFormat, "log-format", "text", "of the log on standard error: text, or json with the node's id in each line")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "log more")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		return a.serve(c.Context(), f)
	}
	return c
}

// maxName is the longest name of a node in bytes, that of minikv.Config.
const maxName = 128

func (f *serveFlags) check() error {
	switch {
	case f.memory && f.dir != "":
		return usagef("--dir and --memory exclude each other")
	case f.cacheMiB < 0 || f.cacheMiB > 1<<30:
		return usagef("--cache-mib %d: it can be 1 or more", f.cacheMiB)
	case f.maxMiB < 0 || f.maxMiB > 1<<30:
		return usagef("--max-mib %d: it can be 1 to %d, or 0 for no limit", f.maxMiB, 1<<30)
	case f.maxValue < 0 || f.maxValue > minikv.MaxValueLen:
		return usagef("--max-value %d: it can be 1 to %d, or 0 for %d", f.maxValue, minikv.MaxValueLen, minikv.DefaultMaxValueLen)
	case len(f.name) > maxName:
		return usagef("--name has %d bytes; it can have 0 to %d", len(f.name), maxName)
	case f.profile != "" && f.profile != string(minikv.ProfileEdge) && f.profile != string(minikv.ProfileServer):
		return usagef("--profile %q: use edge or server", f.profile)
	case f.discovery != "lan" && f.discovery != "none" && f.discovery != "dht":
		return usagef("--discovery %q: use lan, none or dht", f.discovery)
	case f.discovery != "dht" && len(f.bootstrap) > 0:
		return usagef("--bootstrap is for --discovery dht; to connect to a node, name it with --peer")
	}
	if _, err := minikv.ParseDurability(f.durability); err != nil {
		return usagef("--durability %q: use sync, group or async", f.durability)
	}
	if f.admin != "" {
		if _, err := admin.ParseAddr(f.admin); err != nil {
			return &usageError{err}
		}
	}
	if !logFormats[f.logFormat] {
		return usagef("--log-format %q: use text or json", f.logFormat)
	}
	if err := f.http.check(); err != nil {
		return err
	}
	if slices.Contains(f.public, "") {
		return usagef("--public needs the name of a registry, 1 to 255 bytes")
	}
	if err := f.resp.check(); err != nil {
		return err
	}
	for _, s := range f.listen {
		if _, err := multiaddr.NewMultiaddr(s); err != nil {
			return usagef("--listen %q is no multiaddr (%w); an example: /ip4/0.0.0.0/tcp/7420", s, err)
		}
	}
	if f.relayService != "" && f.relayService != string(minikv.RelayMembers) && f.relayService != string(minikv.RelayAnyone) {
		return usagef("--relay-service %q: use members or anyone, as in --relay-service=anyone", f.relayService)
	}
	for flag, addrs := range map[string][]string{"--peer": f.peers, "--relay": f.relays, "--bootstrap": f.dhtPeers()} {
		for _, s := range addrs {
			if _, err := peer.AddrInfoFromString(s); err != nil {
				return usagef("%s %q is no address of a node (%w); serve prints its own, an example: /ip4/192.0.2.7/tcp/7420/p2p/12D3KooW…", flag, s, err)
			}
		}
	}
	return nil
}

// dhtPublic is the word that stands for the public DHT among the addresses of --bootstrap.
const dhtPublic = "ipfs"

func (f *serveFlags) dhtPeers() []string {
	return slices.DeleteFunc(slices.Clone(f.bootstrap), func(s string) bool { return s == dhtPublic })
}

// home is where a node has its data and its socket.
type home struct {
	admin admin.Addr
	dir   string // "": in memory
	std   bool   // client commands find the socket by themselves
}

func (a *app) home(f serveFlags) (h home, err error) {
	if f.memory {
		if f.admin == "" {
			h.admin, err = a.memorySocket()
		}
	} else if h, err = a.homeDir(f); err == nil && f.admin == "" {
		h.admin = admin.Addr{Network: "unix", Path: filepath.Join(h.dir, socketName)}
	}
	if f.admin != "" {
		h.admin, _ = admin.ParseAddr(f.admin) // checked before
	}
	return h, err
}

// homeDir chooses the directory of a node and makes sure that it may be used; it is not made yet.
func (a *app) homeDir(f serveFlags) (h home, err error) {
	def, derr := a.dataDir()
	if h.dir = f.dir; h.dir == "" {
		h.dir, err = def, derr
	}
	h.std = f.admin == "" && h.dir == def
	if err == nil {
		h.dir, err = filepath.Abs(h.dir) // what is printed is used in other places
	}
	if err == nil {
		err = checkDir(h.dir)
	}
	return h, err
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
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	log := newNodeLog(a.stderr, f.logFormat, level)
	log.takeStandardLog()
	ls, err := f.plan(h)
	if err != nil {
		return err
	}
	defer ls.close()
	err = ls.open(ctx, h)
	if errors.Is(err, server.ErrInUse) && h.dir != "" && f.admin == "" && ls.admin == nil {
		return fmt.Errorf("a node that uses the directory %s is running; stop it, or give this one its own with --dir, or use --memory", h.dir)
	}
	if err != nil {
		return err
	}
	node, err := a.openNode(ctx, f, h, log.Logger)
	if err != nil {
		return err
	}
	defer node.Close()
	log.is(node.ID())
	return a.runNode(ctx, node, ls, f, h, log.Logger)
}

// edgeMemory is the soft limit of the memory of a node of the profile edge, in bytes: near it, garbage is collected more often. A GOMEMLIMIT
// of the user's goes before.
const edgeMemory = 24 << 20

func (a *app) openNode(ctx context.Context, f serveFlags, h home, log *slog.Logger) (*minikv.Node, error) {
	cfg := minikv.Config{
		NodeName: f.name, Listen: f.listen, Bootstrap: f.peers, Discovery: minikv.Discovery(f.discovery), Logger: log,
		MaxValueLen: f.maxValue, CacheBytes: f.cacheMiB << 20, MaxBytes: int64(f.maxMiB) << 20, Profile: minikv.Profile(f.profile), Relays: f.relays, DHTPeers: f.dhtPeers(), DHTPublic: slices.Contains(f.bootstrap, dhtPublic), RelayService: minikv.RelayPolicy(f.relayService),
	}
	cfg.Durability, _ = minikv.ParseDurability(f.durability) // checked before
	if cfg.Profile == minikv.ProfileEdge && a.getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(30)
		debug.SetMemoryLimit(edgeMemory)
	}
	port := -1
	if len(f.listen) == 0 {
		port = choosePort()
		cfg.Listen = defaultListen(port)
	}
	node, err := minikv.Open(ctx, h.dir, cfg)
	if port > 0 && err != nil && !errors.Is(err, minikv.ErrInvalid) && !isDirError(err) { // another node may have taken the port in this moment
		cfg.Listen = defaultListen(0)
		node, err = minikv.Open(ctx, h.dir, cfg)
	}
	if err == nil {
		if err = openRegistries(ctx, node, f, log); err != nil {
			node.Close()
		}
	}
	if errors.Is(err, minikv.ErrInvalid) {
		err = &usageError{err}
	}
	if err != nil {
		return nil, err
	}
	return node, nil
}

// firstRegistry is the private registry that a node makes for itself at its first start.
const firstRegistry = "default"

// openRegistries opens what the directory keeps, and then what the command line names.
func openRegistries(ctx context.Context, node *minikv.Node, f serveFlags, log *slog.Logger) error {
	kept := node.Kept()
	for _, name := range kept {
		_, err := node.Registry(ctx, name)
		if errors.Is(err, minikv.ErrPrivate) {
			log.Warn("a private registry stays closed: its keys are not in the directory; join it again by a ticket, or put its key file back", "registry", name)
			continue
		}
		if err != nil {
			return err
		}
	}
	for _, name := range f.public {
		if _, err := node.Registry(ctx, name, minikv.Public()); err != nil {
			return err
		}
	}
	if len(kept) > 0 || slices.Contains(f.public, firstRegistry) || !slices.Contains(f.firstRegistries(), firstRegistry) {
		return nil
	}
	_, err := node.Registry(ctx, firstRegistry)
	return err
}

// firstRegistries are those that a node without any yet opens.
func (f *serveFlags) firstRegistries() []string {
	if f.memory && len(f.public) > 0 {
		return f.public
	}
	return append([]string{firstRegistry}, f.public...)
}

// isDirError tells whether a node could not be opened for its directory.
func isDirError(err error) bool {
	for _, class := range []error{minikv.ErrDirInUse, minikv.ErrBadFormat, minikv.ErrCorrupt, minikv.ErrDiskFull, minikv.ErrStorage} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// runNode serves the admin API and logs what happens, until ctx ends.
func (a *app) runNode(ctx context.Context, node *minikv.Node, ls listeners, f serveFlags, h home, log *slog.Logger) error {
	s := server.New(node, server.Config{Version: versionText(), Admin: h.admin.String(), Discovery: f.discovery, Storage: h.dir, Logger: log})
	// Whoever calls from now on waits until Serve; so a node that answers has printed all.
	b, err := newBanner(ctx, node, f, h)
	if err != nil {
		return err
	}
	if ls.web != nil {
		b.http = ls.web.text()
	}
	if err := ls.redis.attach(ctx, node, f.maxValue, log); err != nil {
		return err
	}
	b.resp = ls.redis.addr()
	if err := a.printBanner(b); err != nil {
		log.Warn("nobody can read what this prints", "err", err)
		a.stdout.Reset(io.Discard) // told; not a failure of the node
	}
	failed := make(chan error, 3)
	go func() { failed <- s.Serve(ls.admin) }()
	if err := ls.web.serve(s, failed); err != nil {
		return errors.Join(err, ls.redis.close(), s.Close())
	}
	ls.redis.serve(failed)
	a.notify("READY=1")
	watching := make(chan struct{})
	wctx, stopWatching := context.WithCancel(ctx)
	go func() { defer close(watching); logEvents(wctx, node, log) }()

	select {
	case <-ctx.Done():
		log.Info("stopping", "why", stopReason(ctx))
	case err = <-failed:
		err = fmt.Errorf("a server of this node stopped: %w", err)
	}
	a.notify("STOPPING=1")
	stopWatching()
	<-watching
	err = errors.Join(err, ls.redis.close(), s.Close(), node.Close())
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
