package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// benchTarget is a registry that is measured. All but close are called concurrently.
type benchTarget interface {
	put(ctx context.Context, key string, value []byte) error
	get(ctx context.Context, key string) error
	batch(ctx context.Context, keys []string, value []byte) error
	lock(ctx context.Context, key string) error // and unlock
	close(ctx context.Context) error            // and remove it
}

const benchLockTTL = time.Minute

// runningNode is measured through its admin API.
type runningNode struct {
	*admin.Client
	registry string
}

func (n *runningNode) put(ctx context.Context, key string, value []byte) error {
	_, err := n.Put(ctx, n.registry, key, value, admin.PutParams{})
	return err
}

func (n *runningNode) get(ctx context.Context, key string) error {
	_, err := n.Get(ctx, n.registry, key)
	return err
}

func (n *runningNode) batch(ctx context.Context, keys []string, value []byte) error {
	records := make([]admin.Record, len(keys))
	for i, k := range keys {
		records[i] = admin.Record{Key: k, Value: value}
	}
	_, err := n.Batch(ctx, n.registry, records)
	return err
}

func (n *runningNode) lock(ctx context.Context, key string) error {
	l, err := n.Lock(ctx, n.registry, key, admin.LockParams{TTL: benchLockTTL})
	if err != nil {
		return err
	}
	return n.Unlock(ctx, n.registry, key, l.Token)
}

func (n *runningNode) close(ctx context.Context) error {
	defer n.Close()
	return n.DropRegistry(ctx, n.registry)
}

// embedded is a node of this process.
type embedded struct {
	node *minikv.Node
	reg  *minikv.Registry
	dir  string // to be removed; "": none
}

func newEmbedded(ctx context.Context, f benchFlags, name string) (t *embedded, err error) {
	t = &embedded{}
	if f.dir != "" {
		if t.dir, err = os.MkdirTemp(f.dir, "minikv-bench-"); err != nil {
			return nil, err
		}
	}
	t.node, err = minikv.Open(ctx, t.dir, minikv.Config{Durability: f.durabilityParsed})
	if err == nil {
		t.reg, err = t.node.Registry(ctx, name, minikv.Public())
	}
	if err != nil {
		return nil, errors.Join(err, t.close(ctx))
	}
	return t, nil
}

func (t *embedded) put(ctx context.Context, key string, value []byte) error {
	_, err := t.reg.Put(ctx, key, value)
	return err
}

func (t *embedded) get(ctx context.Context, key string) error {
	_, err := t.reg.Get(ctx, key)
	return err
}

func (t *embedded) batch(ctx context.Context, keys []string, value []byte) error {
	b := t.reg.NewBatch()
	for _, k := range keys {
		b.Put(k, value)
	}
	_, err := b.Commit(ctx)
	return err
}

func (t *embedded) lock(ctx context.Context, key string) error {
	l, err := t.reg.TryLock(ctx, key, minikv.TTL(benchLockTTL))
	if err != nil {
		return err
	}
	return l.Unlock(ctx)
}

func (t *embedded) close(context.Context) (err error) {
	if t.node != nil {
		err = t.node.Close()
	}
	if t.dir != "" {
		err = errors.Join(err, os.RemoveAll(t.dir))
	}
	return err
}
