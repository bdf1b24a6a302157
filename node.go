package minikv

import (
	"context"
	"errors"
	"maps"
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
	n := &Node{cfg: cfg, start: time.Now(), turns: newTurns(), systemClock: systemClock, registries: map[string]*Registry{}, byID: map[string]*Registry{}, dropping: map[string]chan struct{}{}, keyring: keyring{dir: dir, write: writeFile, memory: map[string]*ticket.Ticket{}}}
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
		dropping := slices.Collect(maps.Values(n.dropping))
		clear(n.registries)
		clear(n.byID)
		n.mu.Unlock()
		var errs []error
		n.renewing.RLock()
		for _, r := range open {
			errs = append(errs, r.close())
		}
		n.renewing.RUnlock()
		for _, gone := range dropping {
			<-gone
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

// instant is the present by both clocks.
func (n *Node) instant() replica.Instant {
	wall := n.cfg.Clock()
	if n.systemClock {
		return replica.Instant{Wall: wall, Mono: wall.Sub(n.start)} // one look at both clocks
	}
	return replica.Instant{Wall: wall, Mono: time.Since(n.start)}
}
