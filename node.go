package minikv

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/ticket"
)

// Node is one member of the mesh: an identity, its registries, and its connections. Use [Open]; the zero
// value is not usable. Safe for concurrent use.
type Node struct {
	cfg         Config
	id          PeerID
	clock       *hlc.Clock
	start       time.Time                   // of the monotonic clock
	systemClock bool                        // Config.Clock was left to be time.Now
	host        *p2p.Host                   // nil: offline
	turns       *turns                      // of exchanges
	disk        atomic.Pointer[store.Store] // nil: in memory; another one after renew
	dir         string                      // the store's
	renewing    sync.RWMutex                // held alone by renew, else by who opens or ends registries
	stop        context.CancelFunc
	wg          sync.WaitGroup // of what runs for the store

	mu         sync.RWMutex
	closed     bool
	registries map[string]*Registry
	byID       map[string]*Registry     // the public ones, by what exchanges call them
	dropping   map[string]chan struct{} // those on their way out; closed when they have gone
	keyring    keyring                  // of the private ones
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
	if dir != "" {
		if abs, err := filepath.Abs(dir); err == nil { // the process may go elsewhere
			dir = abs
		}
	}
	systemClock := cfg.Clock == nil
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, start: time.Now(), turns: newTurns(), systemClock: systemClock, registries: map[string]*Registry{}, byID: map[string]*Registry{}, dropping: map[string]chan struct{}{}, keyring: keyring{dir: dir, memory: map[string]*ticket.Ticket{}}}
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
	o := store.Options{Cache: int64(n.cfg.CacheBytes), Log: n.cfg.Logger}
	if n.cfg.tune != nil {
		n.cfg.tune(&o)
	}
	s, err := store.Open(dir, o)
	if err != nil {
		return err
	}
	n.disk.Store(s)
	if clock.Ceiling, err = s.Ceiling(); err != nil {
		return errors.Join(err, n.closeStore())
	}
	clock.Reserve = func(t hlc.Timestamp) error { return n.store().Reserve(t) }
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.wg.Go(func() { n.flushes(ctx) })
	return nil
}

// store returns what keeps the node's data, nil in memory.
func (n *Node) store() *store.Store { return n.disk.Load() }

// settleClock lowers the ceiling of the clock to what was issued: so the next start need not begin ahead of
// the wall clock. Nobody asks for a stamp any more.
func (n *Node) settleClock() error {
	if n.store() == nil || n.store().Err() != nil {
		return nil
	}
	return n.store().Reserve(n.clock.Last())
}

func (n *Node) closeStore() error {
	if n.store() == nil {
		return nil
	}
	if n.stop != nil {
		n.stop()
	}
	n.wg.Wait()
	n.renewing.RLock()
	defer n.renewing.RUnlock()
	return n.store().Close()
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
		n.renewing.RLock()
		for _, r := range open {
			errs = append(errs, r.close())
		}
		n.renewing.RUnlock()
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

// Registry opens the registry of that name, or creates it. The name has 1 to 255 bytes of printable UTF-8.
//
// A registry is private unless it is opened with [Public]: this node makes its keys and is its owner, and others join
// it by a ticket of [Registry.Ticket]. One that this node has made or joined before, see [Node.Kept], is opened with the
// keys that its directory has; [ErrPrivate] when they are gone from it. A public registry exists wherever a node opens it.
//
// Opening one again returns the same *Registry; options given then have to be those of the first time, else
// [ErrInvalid]. One that is kept in the node's directory is known to be public or private, and without any options it is
// opened with those it was made with. Registry does not wait for peers, see [Node.WaitSynced].
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
	n.renewing.RLock()
	defer n.renewing.RUnlock()
	if err := n.lockFor(ctx, name); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	if r := n.registries[name]; r != nil {
		if o.contradicts(r.opts) {
			return nil, errOtherOptions
		}
		return r, nil
	}
	if o, err = n.withKept(name, o, len(opts)); err != nil {
		return nil, err
	}
	if o.member, err = n.memberOf(name, o.public); err != nil {
		return nil, err
	}
	return n.addRegistry(name, o)
}

// lockFor locks the node once no registry of that name is on its way out: who opened it before its entries have gone would bring it
// back. After an error the node is not locked.
func (n *Node) lockFor(ctx context.Context, name string) error {
	for {
		n.mu.Lock()
		gone := n.dropping[name]
		if gone == nil {
			return nil
		}
		n.mu.Unlock()
		select {
		case <-gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// addRegistry opens a registry that is not open. The node is locked.
func (n *Node) addRegistry(name string, o registryOptions) (*Registry, error) {
	r, err := n.newRegistry(name, o)
	if err != nil {
		return nil, translate(err)
	}
	n.registries[name] = r
	if o.public {
		n.byID[registryID(name)] = r
	}
	return r, nil
}

// memberOf returns this node's membership in a registry, that of its founder if it is new here; nil for a public one.
func (n *Node) memberOf(name string, public bool) (*membership, error) {
	t, err := n.keyring.load(name)
	switch {
	case err != nil:
		return nil, err
	case public && t != nil:
		return nil, errKeptPrivate
	case public:
		return nil, nil
	case t != nil:
		return newMembership(t, n.id)
	case n.store() != nil:
		if _, kept := n.store().About(name); kept {
			return nil, ErrPrivate
		}
	}
	if t, err = found(name); err != nil {
		return nil, err
	}
	if err := n.keyring.save(t); err != nil {
		return nil, err
	}
	return newMembership(t, n.id)
}

// Lookup returns the open registry of that name; ok is false when none is open.
func (n *Node) Lookup(name string) (r *Registry, ok bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	r, ok = n.registries[name]
	return r, ok
}

// privates are the open private registries.
func (n *Node) privates() (rs []*Registry) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, r := range n.registries {
		if !r.opts.public {
			rs = append(rs, r)
		}
	}
	return rs
}

// Kept returns the names of the registries that the node's directory holds, open or not, in ascending order.
func (n *Node) Kept() []string {
	if n.store() == nil {
		return nil
	}
	return n.store().Names()
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
// with [ErrClosed]. Peers keep theirs, and opening it again gets it back from them: the keys of a private one stay, until
// [Node.ForgetKeys]. [ErrNotFound] when it is not open.
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
	n.renewing.RLock()
	defer n.renewing.RUnlock()
	n.mu.Lock()
	r := n.registries[name]
	delete(n.registries, name)
	if r != nil && r.opts.public {
		delete(n.byID, registryID(name))
	}
	closed := n.closed
	gone := make(chan struct{})
	if r != nil {
		n.dropping[name] = gone
	}
	n.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case r == nil:
		return detailf(ErrNotFound, "no registry of that name is open")
	}
	defer func() {
		n.mu.Lock()
		delete(n.dropping, name)
		n.mu.Unlock()
		close(gone)
	}()
	err := r.close()
	if n.store() != nil {
		err = errors.Join(err, translate(n.store().Drop(name)))
	}
	return err
}

// ForgetKeys removes the keys of a private registry from this node for good. It must not be open, else [ErrInvalid]: drop it
// first. If this node was its only owner, nobody can make tickets for it any more. [ErrNotFound] when there are none.
func (n *Node) ForgetKeys(ctx context.Context, name string) error {
	err := checkContext(ctx)
	if err == nil {
		err = n.forgetKeys(name)
	}
	if err != nil {
		return &Error{Op: "forget keys", Registry: name, Err: err}
	}
	return nil
}

func (n *Node) forgetKeys(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closed:
		return ErrClosed
	case n.registries[name] != nil:
		return detailf(ErrInvalid, "the registry is open; drop it first")
	}
	ok, err := n.keyring.forget(name)
	if err == nil && !ok {
		err = detailf(ErrNotFound, "there are no keys of a private registry of that name")
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
