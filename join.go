package minikv

import (
	"context"
	"errors"
	"slices"

	"github.com/minikv/minikv/ticket"
)

// JoinOption is for [Node.Join]: [Replace], and those of [Node.Registry] but for [Public].
type JoinOption interface{ applyJoin(*joinOptions) error }

type joinOptions struct {
	registryOptions
	given   int // options of the registry
	replace bool
}

// Replace lets [Node.Join] give a registry that this node has already the keys of the ticket, as after
// [Registry.Rotate]. What it holds stays, and is shared with the members of the other keys. So make sure that
// the ticket is from whom you take it to be: who made it gets the data.
func Replace() JoinOption { return replace{} }

type replace struct{}

func (replace) applyJoin(o *joinOptions) error { o.replace = true; return nil }

func (r readOnly) applyJoin(o *joinOptions) error {
	o.given++
	return r.applyRegistry(&o.registryOptions)
}
func (d defaultTTL) applyJoin(o *joinOptions) error {
	o.given++
	return d.applyRegistry(&o.registryOptions)
}

// Join opens the registry of a ticket, and keeps its keys and addresses in the node's directory, so that
// [Node.Registry] opens it from then on. The text may be as people paste it: broken into lines, in quotes. The
// ticket's addresses are dialled in the background, now and whenever a link is lost: see [Registry.WaitSynced] to wait
// for the data.
//
// Joining by another ticket for the same keys adds its addresses, and takes over its rights if it grants more, or for
// longer. Where the node has a registry of that name with other keys, the error is [ErrTicket] unless [Replace] is
// given: otherwise a ticket could be made to capture what is in it. One that this node has made, to which nothing was ever
// written and no ticket given, is replaced without asking.
//
// [ErrTicket] also when the text is no ticket, damaged, or of a later version, and when it has expired.
func (n *Node) Join(ctx context.Context, text string, opts ...JoinOption) (*Registry, error) {
	t, err := decodeTicket(text)
	if err != nil {
		return nil, &Error{Op: "join", Err: err}
	}
	r, err := n.join(ctx, t, opts)
	if err != nil {
		return nil, &Error{Op: "join", Registry: t.Name, Err: translate(err)}
	}
	return r, nil
}

func (n *Node) join(ctx context.Context, t *ticket.Ticket, opts []JoinOption) (*Registry, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	var o joinOptions
	for _, opt := range opts {
		if opt == nil {
			return nil, errNilOption
		}
		if err := opt.applyJoin(&o); err != nil {
			return nil, err
		}
	}
	m, err := newMembership(t, n.id)
	if err != nil {
		return nil, err
	}
	if m.ended(n.cfg.Clock()) {
		return nil, ticketEnded(t)
	}
	n.renewing.RLock()
	defer n.renewing.RUnlock()
	if err := n.lockFor(ctx, t.Name); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	if m, err = n.admit(m, o.replace); err != nil {
		return nil, err
	}
	r := n.registries[t.Name]
	if r != nil && o.contradicts(r.opts) {
		return nil, errOtherOptions
	}
	if r != nil {
		return r, r.rekey(m)
	}
	if err := n.keyring.save(m.ticket); err != nil {
		return nil, err
	}
	return n.openMember(m, o)
}

// admit says how a ticket goes together with what the node has under its name.
func (n *Node) admit(m *membership, replace bool) (*membership, error) {
	name := m.ticket.Name
	if r := n.registries[name]; r != nil && r.opts.public {
		return nil, detailf(ErrTicket, "a public registry of that name is open here; drop it first")
	}
	if public, err := n.keptPublic(name); err != nil || public {
		return nil, errors.Join(err, detailf(ErrTicket, "the directory has a public registry of that name; drop it first"))
	}
	old, err := n.keyring.load(name)
	switch {
	case replace:
		return m, nil
	case err != nil || old == nil:
		return m, err
	case !m.isSame(old):
		blank, err := n.isBlank(name)
		if err != nil || blank && old.Rights == ticket.Owner {
			return m, err
		}
		return nil, detailf(ErrTicket, "this node has a registry of that name with other keys; if the ticket is from someone you trust with its data, replace them")
	}
	return n.merge(old, m)
}

// isBlank says whether nothing is lost with the keys of a registry: it is open, nothing was ever written to it, and nobody was
// given a ticket. That is what the registry looks like which a node makes for itself at its first start.
func (n *Node) isBlank(name string) (bool, error) {
	r := n.registries[name]
	if r == nil {
		return false, nil
	}
	shared, err := r.isShared()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return err == nil && !shared && r.err == nil && r.m.Context().Count() == 0, err
}

// merge is a ticket for keys that the node has: the better rights of both, and the addresses of both.
func (n *Node) merge(old *ticket.Ticket, m *membership) (*membership, error) {
	t := *m.ticket
	if !exceeds(m.ticket, old) && !(old.Expires.Before(n.cfg.Clock()) && !old.Expires.IsZero()) {
		t = *old
	}
	t.Addrs = nil
	for _, a := range slices.Concat(m.ticket.Addrs, old.Addrs) {
		if both := append(slices.Clip(t.Addrs), a); !slices.Contains(t.Addrs, a) && fits(both) {
			t.Addrs = both
		}
	}
	return newMembership(&t, n.id)
}

// exceeds says whether a ticket grants more than another, or the same for longer.
func exceeds(a, b *ticket.Ticket) bool {
	if a.Rights != b.Rights {
		return a.Rights > b.Rights
	}
	return !b.Expires.IsZero() && (a.Expires.IsZero() || a.Expires.After(b.Expires))
}

// fits says whether a ticket can hold these addresses.
func fits(addrs []string) bool {
	_, err := ticket.Encode(&ticket.Ticket{Name: "fits", Rights: ticket.Owner, Addrs: addrs})
	return err == nil
}

// openMember opens a registry that was joined.
func (n *Node) openMember(m *membership, o joinOptions) (*Registry, error) {
	ro, err := n.withKept(m.ticket.Name, o.registryOptions, o.given)
	if err != nil {
		return nil, err
	}
	ro.member = m
	return n.addRegistry(m.ticket.Name, ro)
}
