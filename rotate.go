package minikv

import (
	"context"
	"errors"
)

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
	if err != nil {
		return err
	}
	return r.rekey(m)
}

// rekey makes the registry go on with another membership. The node is locked. It goes in this order:
//
//  1. enter the topic of the new keys. A failure leaves all as it was.
//  2. save the new keys. A failure leaves the topic again and puts the old keys back; a crash leaves either.
//  3. go on with them: gossip and exchanges under the old keys end. This cannot fail, and after a crash the node
//     starts with the new ones.
//
// Tickets of the new keys are made from 3 on, so after 2: whoever has one, the owner has their keys.
func (r *Registry) rekey(m *membership) error {
	old := r.member.Load()
	if r.link != nil {
		if !r.link.begin() {
			return ErrClosed
		}
		defer r.link.end()
	}
	next, err := r.link.enterNext(m, old.keys.Topic() == m.keys.Topic())
	if err != nil {
		return err
	}
	if err := r.node.keyring.replace(old.ticket, m.ticket); err != nil {
		return errors.Join(err, r.link.giveUp(next))
	}
	r.member.Store(m)
	r.node.keep(m)
	r.link.moveTo(next)
	return nil
}
