package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	crdt "github.com/ipfs/go-ds-crdt"
	libp2p "github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

const topic = "rivals"

// replica is one node of the rival with all that it needs around it.
type replica struct {
	*crdt.Datastore
	host   host.Host
	pubsub *pubsub.PubSub
	grafts *grafts
	puts   atomic.Int64 // times its put hook was called
	stop   []func() error
}

// newReplica starts a node on 127.0.0.1. A nil store means a map.
func newReplica(b *bench, store ds.Batching) (*replica, error) {
	if store == nil {
		store = dssync.MutexWrap(ds.NewMapDatastore())
	}
	ctx, cancel := context.WithCancel(b.ctx)
	r := &replica{grafts: newGrafts(), stop: []func() error{func() error { cancel(); return nil }}}
	if err := r.start(ctx, store, b.config); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *replica) start(ctx context.Context, store ds.Batching, c config) (err error) {
	r.host, err = libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	if err != nil {
		return err
	}
	r.stop = append(r.stop, r.host.Close)
	if r.pubsub, err = pubsub.NewGossipSub(ctx, r.host, pubsub.WithEventTracer(r.grafts)); err != nil {
		return err
	}
	// Without a DHT there is nobody to provide blocks to; bitswap asks the connected peers.
	lite, err := ipfslite.New(ctx, store, nil, r.host, nil, &ipfslite.Config{ReprovideInterval: -1})
	if err != nil {
		return err
	}
	// The broadcaster must end before Close of the datastore, which waits for it.
	bctx, bstop := context.WithCancel(ctx)
	cast, err := crdt.NewPubSubBroadcaster(bctx, r.pubsub, topic)
	if err != nil {
		bstop()
		return err
	}
	opts := crdt.DefaultOptions()
	opts.RebroadcastInterval = c.Rebroadcast
	opts.PutHook = func(ds.Key, []byte) { r.puts.Add(1) }
	if r.Datastore, err = crdt.New(store, ds.NewKey("crdt"), lite, cast, opts); err != nil {
		bstop()
		return err
	}
	r.stop = append(r.stop, func() error { bstop(); return r.Close() })
	return nil
}

// close stops the node, last started first. The datastore's own Close may wait long for blocks that nobody has; the
// context is cancelled before it to cut that short.
func (r *replica) close() error {
	var errs []error
	for i := len(r.stop) - 1; i >= 0; i-- {
		errs = append(errs, r.stop[i]())
	}
	return errors.Join(errs...)
}

func (r *replica) connect(ctx context.Context, o *replica) error {
	return r.host.Connect(ctx, peer.AddrInfo{ID: o.host.ID(), Addrs: o.host.Addrs()})
}

func (r *replica) disconnect(o *replica) error { return r.host.Network().ClosePeer(o.host.ID()) }

// putBatches writes keys in batches of size.
func (r *replica) putBatches(ctx context.Context, keys []ds.Key, value []byte, size int) error {
	for len(keys) > 0 {
		n := min(size, len(keys))
		batch, err := r.Batch(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys[:n] {
			if err := batch.Put(ctx, k, value); err != nil {
				return err
			}
		}
		if err := batch.Commit(ctx); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// missing counts the keys that r has no value for.
func (r *replica) missing(ctx context.Context, keys []ds.Key) int {
	n := 0
	for _, k := range keys {
		if _, err := r.Get(ctx, k); err != nil {
			n++
		}
	}
	return n
}

// equal reports whether both hold the same values under keys.
func (r *replica) equal(ctx context.Context, o *replica, keys []ds.Key) bool {
	for _, k := range keys {
		a, errA := r.Get(ctx, k)
		b, errB := o.Get(ctx, k)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			return false
		}
	}
	return true
}

// mesh starts n nodes, connects each to each and waits until a put on every one is seen by all others: gossip has
// settled.
func mesh(ctx context.Context, b *bench, n int) (nodes []*replica, stop func(), err error) {
	stop = func() {
		for _, r := range nodes {
			r.close()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	for range n {
		r, err := newReplica(b, nil)
		if err != nil {
			return nil, stop, err
		}
		nodes = append(nodes, r)
	}
	for i, r := range nodes {
		for _, o := range nodes[:i] {
			if err := r.connect(ctx, o); err != nil {
				return nil, stop, err
			}
		}
	}
	return nodes, stop, settle(ctx, nodes)
}

// settle waits until every node forwards the topic to all others, then that one put of each is everywhere.
func settle(ctx context.Context, nodes []*replica) error {
	err := poll(ctx, func() bool {
		for _, r := range nodes {
			if r.grafts.count() < len(nodes)-1 {
				return false
			}
		}
		return true
	}, func() string { return "gossip did not form" })
	if err != nil {
		return err
	}
	var keys []ds.Key
	for i, r := range nodes {
		k := ds.NewKey(fmt.Sprint("settle", i))
		keys = append(keys, k)
		if err := r.Put(ctx, k, []byte("x")); err != nil {
			return err
		}
	}
	return poll(ctx, func() bool {
		for _, r := range nodes {
			if r.missing(ctx, keys) > 0 {
				return false
			}
		}
		return true
	}, func() string { return "the first puts did not reach all nodes" })
}
