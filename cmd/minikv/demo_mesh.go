package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv"
)

// demoWait bounds every wait of the tour: longer means that something is broken.
const demoWait = time.Minute

const demoRegistry = "cities"

// city is one node of the tour.
type city struct {
	name string
	node *minikv.Node
	reg  *minikv.Registry
}

// mesh is the nodes of the tour, all linked to each other.
type mesh struct {
	cities []*city
	links  [][2]*city // the first has dialled the second
}

// newMesh opens the nodes, on loopback and with discovery off, and links all of them.
func newMesh(ctx context.Context, names ...string) (m *mesh, err error) {
	m = &mesh{}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	for _, name := range names {
		node, err := minikv.Open(ctx, "", minikv.Config{
			NodeName: name, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Discovery: minikv.DiscoveryNone, SyncInterval: time.Second,
		})
		if err != nil {
			return m, err
		}
		c := &city{name: name, node: node}
		m.cities = append(m.cities, c)
		if c.reg, err = node.Registry(ctx, demoRegistry, minikv.Public()); err != nil {
			return m, err
		}
	}
	for i, from := range m.cities {
		for _, to := range m.cities[i+1:] {
			if err := m.link(ctx, from, to); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func (m *mesh) close() {
	for _, c := range m.cities {
		_ = c.node.Close() // the tour is over
	}
}

func (m *mesh) link(ctx context.Context, from, to *city) error {
	addrs := to.node.Addrs()
	if len(addrs) == 0 {
		return fmt.Errorf("%s listens nowhere", to.name)
	}
	ctx, cancel := context.WithTimeout(ctx, demoWait)
	defer cancel()
	if _, err := from.node.Connect(ctx, addrs[0]); err != nil {
		return err
	}
	m.links = append(m.links, [2]*city{from, to})
	return nil
}

// cut closes all links of a node and waits until neither side sees the other.
func (m *mesh) cut(ctx context.Context, c *city) error {
	for _, l := range m.links {
		if l[0] != c && l[1] != c {
			continue
		}
		for _, pair := range [][2]*city{l, {l[1], l[0]}} {
			err := pair[0].node.Disconnect(ctx, pair[1].node.ID())
			if err != nil && !errors.Is(err, minikv.ErrNoPeer) {
				return err
			}
		}
	}
	return m.await(ctx, c.name+" to be cut off", func() bool {
		for _, o := range m.cities {
			if (o == c && connections(o) > 0) || (o != c && connections(o) > len(m.cities)-2) {
				return false
			}
		}
		return true
	})
}

func connections(c *city) (n int) {
	for _, p := range c.node.Peers() {
		if p.Connected {
			n++
		}
	}
	return n
}

// relink dials the links of a node again.
func (m *mesh) relink(ctx context.Context, c *city) error {
	old := m.links
	m.links = nil
	for _, l := range old {
		if l[0] != c && l[1] != c {
			m.links = append(m.links, l)
		} else if err := m.link(ctx, l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

// equal waits until the given nodes hold the same, and tells how long that took.
func (m *mesh) equal(ctx context.Context, cities ...*city) (time.Duration, error) {
	start := time.Now()
	err := m.await(ctx, "equal roots", func() bool {
		for _, c := range cities[1:] {
			if c.reg.Root() != cities[0].reg.Root() {
				return false
			}
		}
		return true
	})
	return time.Since(start), err
}

// await looks every few milliseconds whether something has come about.
func (m *mesh) await(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(demoWait)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit.C:
			return fmt.Errorf("waited %s for %s in vain; please report this", demoWait, what)
		}
	}
	return nil
}

func (m *mesh) named(id minikv.PeerID) string {
	for _, c := range m.cities {
		if c.node.ID() == id {
			return c.name
		}
	}
	return string(id)
}
