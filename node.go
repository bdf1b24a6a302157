package minikv

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/store"
)

// Node is one member of the mesh: an identity, its registries, and its connections. Use [Open]; the zero
// value is not usable. Safe for concurrent use.
type Node struct {
	cfg         Config
	id          PeerID
	clock       *hlc.Clock
	start       time.Time    // of the monotonic clock
	systemClock bool         // Config.Clock was left to be time.Now
	host        *p2p.Host    // nil: offline
	store       *store.Store // nil: in memory
	dir         string       // the store's
	stop        context.CancelFunc
	wg          sync.WaitGroup // of what runs for the store

	mu         sync.RWMutex
	closed     bool
	registries map[string]*Registry
	byID       map[string]*Registry // the same, by what exchanges call them
	closing    sync.Once
	closeErr   error
}

// Open starts a node whose state lives in dir, which is made if need be; "" keeps everything in memory. Of a
// directory one node has the use at a time, see [ErrDirInUse]; [ErrBadFormat] and [ErrCorrupt] say that it
// cannot be used. Open listens but never waits for a peer. ctx bounds Open alone, not the life of the node:
// that ends with [Node.Close].
func Open(ctx context.Context, dir string, cfg Config) (*Node, error) {
	n, err := open(ctx, dir, cfg)
	if err != nil {
		return nil, &Error{Op: "open", Err: translate(err)}
	}
	return n, nil
}

func open(ctx context.Context, dir string, cfg Config) (*Node, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	systemClock := cfg.Clock == nil
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, start: time.Now(), systemClock: systemClock, registries: map[string]*Registry{}, byID: map[string]*Registry{}}
	clock := hlc.Config{MaxSkew: cfg.MaxClockSkew}
	if dir != "" {
		if err := n.openStore(dir, &clock); err != nil {
			return nil, err
		}
	}
	n.clock = hlc.NewClock(clock)
	key, err := n.identify()
	if err == nil && cfg.online() {
		err = n.connect(ctx, key)
	}
	if err != nil {
		return nil, errors.Join(err, n.closeStore())
	}
	return n, nil
}

// openStore opens the node's directory. The clock goes on from there.
func (n *Node) openStore(dir string, clock *hlc.Config) (err error) {
	n.dir = dir
	n.store, err = store.Open(dir, store.Options{Cache: int64(n.cfg.CacheBytes), Log: n.cfg.Logger})
	if err != nil {
		return err
	}
	if clock.Ceiling, err = n.store.Ceiling(); err != nil {
		return errors.Join(err, n.closeStore())
	}
	clock.Reserve = n.store.Reserve
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.wg.Go(func() { n.flushes(ctx) })
	return nil
}

// settleClock lowers the ceiling of the clock to what was issued: so the next start need not begin ahead of
// the wall clock. Nobody asks for a stamp any more.
func (n *Node) settleClock() error {
	if n.store == nil || n.store.Err() != nil {
		return nil
	}
	return n.store.Reserve(n.clock.Last())
}

func (n *Node) closeStore() error {
	if n.store == nil {
		return nil
	}
	if n.stop != nil {
		n.stop()
	}
	n.wg.Wait()
	return n.store.Close()
}

// Close ends the node: it stops every watch and lease with [ErrClosed], cuts the connections, and returns
// when all its goroutines have ended. Leases that were not unlocked lapse on the other nodes when their
// time is over. A node with a directory makes everything durable first; with a node in memory what peers
// have not got yet is lost. Calling it again returns the same.
func (n *Node) Close() error {
	n.closing.Do(func() {
		n.mu.Lock()
		n.closed = true
		open := make([]*Registry, 0, len(n.registries))
		for _, r := range n.registries {
			open = append(open, r)
		}
		clear(n.registries)
		clear(n.byID)
		n.mu.Unlock()
		var errs []error
		for _, r := range open {
			errs = append(errs, r.close())
		}
		if n.host != nil {
			errs = append(errs, n.host.Close())
		}
		errs = append(errs, n.settleClock(), n.closeStore())
		if err := errors.Join(errs...); err != nil {
			n.closeErr = &Error{Op: "close", Err: err}
		}
	})
	return n.closeErr
}

// ID is the node's identity.
func (n *Node) ID() PeerID { return n.id }

// Name is Config.NodeName.
func (n *Node) Name() string { return n.cfg.NodeName }

// Addrs holds the multiaddrs under which others can dial the node, each ending in /p2p/<ID>. Empty when it
// does not listen.
func (n *Node) Addrs() []string {
	if len(n.cfg.Listen) == 0 {
		return nil
	}
	return n.host.Addrs()
}

// Registry opens the registry of that name, or creates it: a registry exists wherever a node opens it. The
// name has 1 to 255 bytes of printable UTF-8. Opening one again returns the same *Registry; options given
// then have to be those of the first time, else [ErrInvalid]. Without [Public] the first time is
// [ErrPrivate] in this version. One that is kept in the node's directory, see [Node.Kept], is known to be
// public, and without any options it is opened with those it was made with. It does not wait for peers, see
// [Node.WaitSynced].
func (n *Node) Registry(ctx context.Context, name string, opts ...RegistryOption) (*Registry, error) {
	r, err := n.registry(ctx, name, opts)
	if err != nil {
		return nil, &Error{Op: "registry", Registry: name, Err: err}
	}
	return r, nil
}

func (n *Node) registry(ctx context.Context, name string, opts []RegistryOption) (*Registry, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	o, err := newRegistryOptions(name, opts)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	if r := n.registries[name]; r != nil {
		if o.contradicts(r.opts) {
			return nil, detailf(ErrInvalid, "the registry is open with other options; give the same, or none to take it as it is")
		}
		return r, nil
	}
	if o, err = n.withKept(name, o, len(opts)); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	r, err := n.newRegistry(name, o)
	if err != nil {
		return nil, translate(err)
	}
	n.registries[name], n.byID[registryID(name)] = r, r
	return r, nil
}

// Kept returns the names of the registries that the node's directory holds, open or not, in ascending order.
func (n *Node) Kept() []string {
	if n.store == nil {
		return nil
	}
	return n.store.Names()
}

// Registries walks the names of the open registries in ascending order.
func (n *Node) Registries(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		open, err := n.open(ctx)
		if err != nil {
			yield("", &Error{Op: "registries", Err: err})
			return
		}
		for _, r := range open {
			if !yield(r.name, nil) {
				return
			}
		}
	}
}

// open returns the open registries in the order of their names.
func (n *Node) open(ctx context.Context) ([]*Registry, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return nil, ErrClosed
	}
	open := make([]*Registry, 0, len(n.registries))
	for _, r := range n.registries {
		open = append(open, r)
	}
	slices.SortFunc(open, func(a, b *Registry) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return open, nil
}

// DropRegistry closes the registry on this node and forgets its entries here; its watches and leases end
// with [ErrClosed]. Peers keep theirs, and opening it again gets it back from them. [ErrNotFound] when it
// is not open.
func (n *Node) DropRegistry(ctx context.Context, name string) error {
	err := checkContext(ctx)
	if err == nil {
		err = n.drop(name)
	}
	if err != nil {
		return &Error{Op: "drop", Registry: name, Err: err}
	}
	return nil
}

func (n *Node) drop(name string) error {
	n.mu.Lock()
	r := n.registries[name]
	delete(n.registries, name)
	delete(n.byID, registryID(name))
	closed := n.closed
	n.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case r == nil:
		return detailf(ErrNotFound, "no registry of that name is open")
	}
	err := r.close()
	if n.store != nil {
		err = errors.Join(err, translate(n.store.Drop(name)))
	}
	return err
}

// instant is the present by both clocks.
func (n *Node) instant() replica.Instant {
	wall := n.cfg.Clock()
	if n.systemClock {
		return replica.Instant{Wall: wall, Mono: wall.Sub(n.start)} // one look at both clocks
	}
	return replica.Instant{Wall: wall, Mono: time.Since(n.start)}
}
