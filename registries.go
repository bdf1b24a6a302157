package minikv

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
)

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
	slices.SortFunc(open, func(a, b *Registry) int { return strings.Compare(a.name, b.name) })
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
