package resp

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/minikv/minikv"
)

// database is a numbered database: a registry, looked up by its name when it is first used and again when it was
// closed meanwhile.
type database struct {
	node    *minikv.Node
	number  int
	name    string
	reg     atomic.Pointer[minikv.Registry]
	cursors cursors

	// mu makes commands that read before they write atomic among the clients of this server: they hold it, and
	// writes that look at nothing share it. A write by anyone else comes in between as one on another node does.
	mu sync.RWMutex
}

func newDatabase(node *minikv.Node, number int, name string) *database {
	return &database{node: node, number: number, name: name}
}

// registry returns the registry, or an error in words for a client.
func (d *database) registry(ctx context.Context) (*minikv.Registry, error) {
	if r := d.reg.Load(); r != nil {
		return r, nil
	}
	for name, err := range d.node.Registries(ctx) {
		if err != nil {
			return nil, err
		}
		if name != d.name {
			continue
		}
		r, err := d.node.Registry(ctx, name)
		if err != nil {
			return nil, err
		}
		d.reg.Store(r)
		return r, nil
	}
	return nil, d.notOpen()
}

func (d *database) notOpen() error {
	return replyError(fmt.Sprintf("ERR database %d is the registry %q, which is not open on this node", d.number, d.name))
}

// closed is told that a registry was found closed.
func (d *database) closed(r *minikv.Registry) { d.reg.CompareAndSwap(r, nil) }
