package minikv

import (
	"context"
	"errors"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// newRegistry opens a registry on a node: its replica, its place in the network, and what runs by itself.
func (n *Node) newRegistry(name string, o registryOptions) (*Registry, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Registry{
		name: name, node: n, opts: o, done: ctx.Done(), cancel: cancel,
		writers:    map[crdt.Actor]PeerID{},
		peers:      map[PeerID]*peerRecord{},
		locks:      lockTable{held: map[string]*Lease{}, queues: map[string]*lockQueue{}},
		tickSooner: make(chan struct{}, 1),
		syncNews:   make(chan struct{}),
	}
	r.member.Store(o.member)
	id := ""
	if o.public {
		id = registryID(name)
	}
	kept, err := n.keptMap(name, o)
	if err != nil {
		cancel()
		return nil, err
	}
	if kept != nil {
		r.mu.commit = r.commit
	}
	r.rep = replica.New(replica.Config{
		Peer: string(n.id), Registry: id, Clock: n.clock, Rand: newRand(), DigestKey: digestKeyOf(name), Lock: &r.mu, Notify: r.notify,
		MaxKey: MaxKeyLen, MaxValue: MaxValueLen, Retention: n.cfg.TombstoneRetention, MaxBytes: n.cfg.MaxBytes, SyncEvery: n.cfg.SyncInterval,
	}, kept, n.instant())
	r.m = r.rep.Map()
	r.learnWriters()
	if kept != nil {
		n.store().Gather(name, &r.mu)
	}
	if n.host != nil {
		l, err := r.join()
		if err != nil {
			cancel()
			return nil, errors.Join(err, n.release(name))
		}
		r.mu.RWMutex.Lock() // a peer may be writing already
		r.link = l
		r.mu.RWMutex.Unlock()
		r.wg.Go(func() { l.pump(ctx) })
		r.wg.Go(func() { l.callLimited(ctx) })
		l.now().begin()
		n.keep(o.member)
	}
	r.wg.Go(func() { r.ticks(ctx) })
	return r, nil
}

// close ends the registry on this node and waits for what runs.
func (r *Registry) close() error {
	r.mu.Lock()
	r.err = ErrClosed
	for _, w := range r.watches {
		w.fail(ErrClosed)
	}
	for _, w := range r.locks.watches {
		w.fail(ErrClosed)
	}
	for _, l := range r.locks.held {
		l.end(&LeaseLostError{Reason: LostClosed})
	}
	r.mu.Unlock()
	r.cancel()
	err := r.link.close()
	r.wg.Wait()
	return errors.Join(err, r.node.release(r.name))
}

// keptMap returns the map that the node's directory has for a registry, an empty one if it is new there; nil
// on a node in memory.
func (n *Node) keptMap(name string, o registryOptions) (*lwwmap.Map, error) {
	if n.store() == nil {
		return nil, nil
	}
	return n.store().Map(name, digestKeyOf(name), o.about())
}

func (n *Node) release(name string) error {
	if n.store() == nil {
		return nil
	}
	return translate(n.store().Release(name))
}

// learnWriters reads from a map that was kept which peer writes as which actor.
func (r *Registry) learnWriters() {
	r.m.Ascend(lwwmap.Origin, "", "", func(rec lwwmap.Record) bool {
		if !rec.Deleted() {
			r.writers[actorOf(rec)] = PeerID(replica.OriginPeer(rec.Value()))
		}
		return true
	})
}

// notify is told of each change by the replica, within a step: the registry is locked.
func (r *Registry) notify(c replica.Change) {
	r.link.noteNews()
	rec := c.Now
	if rec.IsZero() {
		rec = c.Was
	}
	switch rec.Kind() {
	case lwwmap.Data:
		r.intern(c)
		for _, w := range r.watches {
			w.note(c)
		}
		if c.Local && !c.Now.IsZero() && c.Now.Expires() != 0 && !r.batching {
			r.scheduleTick(r.node.instant())
		}
	case lwwmap.Lease:
		r.locks.note(r, c)
	case lwwmap.Origin:
		if !c.Now.IsZero() {
			r.writers[actorOf(c.Now)] = PeerID(replica.OriginPeer(c.Now.Value()))
		}
	}
}
