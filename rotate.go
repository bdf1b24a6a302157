package minikv

import "context"

// Rotate gives the registry new keys, under the same name and with the same data, and ends all tickets: nobody who has
// joined by one of them can read what is written from now on, or write here. What they have already, they keep. Members
// who are to stay join by a new ticket with [Replace]. [ErrNotOwner] unless this node is an owner.
//
// Do it after a ticket has got into wrong hands, or a device with the registry's keys. Other owners are cut off, too, and
// need a new owner's ticket; if two rotate at a time, there are two registries, until one joins the other.
func (r *Registry) Rotate(ctx context.Context) error {
	if err := checkContext(ctx); err != nil {
		return r.wrap("rotate", "", err)
	}
	return r.wrap("rotate", "", r.rotate())
}

func (r *Registry) rotate() error {
	n := r.node
	n.mu.Lock()
	defer n.mu.Unlock()
	old, err := r.owned()
	if err != nil {
		return err
	}
	t, err := found(r.name)
	if err != nil {
		return err
	}
	t.Addrs = old.ticket.Addrs
	m, err := newMembership(t, n.id)
	if err == nil {
		err = n.keyring.save(t)
	}
	if err != nil {
		return err
	}
	return r.rekey(m)
}

// rekey makes the registry go on with another membership. The node is locked.
func (r *Registry) rekey(m *membership) error {
	old := r.member.Swap(m)
	r.node.keep(m)
	if r.link == nil {
		return nil
	}
	return r.link.rejoin(m, old.keys.Topic() == m.keys.Topic())
}
