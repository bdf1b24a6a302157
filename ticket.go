package minikv

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/minikv/minikv/ticket"
)

// TicketOptions say what a ticket grants. The zero value grants reading, for ever.
type TicketOptions struct {
	Rights  Rights        // default RightsRead
	TTL     time.Duration // from now until the ticket, and all who joined by it, have no rights any more; at least 1 s. Default: never
	Expires time.Time     // the same as a point in time; give one of both. It is rounded down to seconds
	Addrs   []string      // multiaddrs to dial, each ending in /p2p/ID. Default: those of this node, and some it knows from its own ticket
}

// TicketInfo is what can be told of a ticket without giving it away.
type TicketInfo struct {
	Registry string
	Rights   Rights
	Expires  time.Time // the zero time: never
	Addrs    []string  // multiaddrs of nodes
}

// ParseTicket reads a ticket as it was pasted, and returns what is no secret of it. [ErrTicket] when it is none, or
// damaged, or of a later version; not when it has expired.
func ParseTicket(text string) (TicketInfo, error) {
	t, err := decodeTicket(text)
	if err != nil {
		return TicketInfo{}, &Error{Op: "ticket", Err: err}
	}
	return TicketInfo{Registry: t.Name, Rights: Rights(t.Rights), Expires: t.Expires, Addrs: t.Addrs}, nil
}

func decodeTicket(text string) (*ticket.Ticket, error) {
	t, err := ticket.Decode(text)
	if err != nil {
		return nil, &classed{ErrTicket, err}
	}
	return t, checkText("the registry's name in the ticket", t.Name, 1, maxRegistryName)
}

// Ticket makes a ticket: a line of text with which others join the registry, see [Node.Join]. It holds the registry's
// secrets: pass it on as you would a password. Who has joined by it stays a member until it expires, or until
// [Registry.Rotate]; a single ticket cannot be taken back.
//
// [ErrNotOwner] unless this node is an owner: it has made the registry, or joined it by an owner's ticket.
func (r *Registry) Ticket(ctx context.Context, o TicketOptions) (string, error) {
	text, err := r.ticket(ctx, o)
	if err != nil {
		return "", r.wrap("ticket", "", err)
	}
	return text, nil
}

func (r *Registry) ticket(ctx context.Context, o TicketOptions) (string, error) {
	if err := checkContext(ctx); err != nil {
		return "", err
	}
	m, err := r.owned()
	if err != nil {
		return "", err
	}
	t, err := o.fill(r.node.cfg.Clock())
	if err != nil {
		return "", err
	}
	t.Name, t.Secret, t.Owner = m.ticket.Name, m.ticket.Secret, m.ticket.Owner
	if t.Rights == ticket.Owner {
		t.OwnerSeed = m.ticket.OwnerSeed
	}
	if t.Addrs = o.Addrs; len(t.Addrs) == 0 {
		t.Addrs = r.node.ticketAddrs(m.ticket.Addrs)
	}
	if err := sign(t, m.ticket.OwnerSeed); err != nil {
		return "", err
	}
	text, err := ticket.Encode(t)
	if err != nil {
		return "", &classed{ErrInvalid, err}
	}
	return text, r.noteShared()
}

// sharedNote is the name under which the store remembers that tickets were made for a registry.
func (r *Registry) sharedNote() string { return "shared\n" + r.name }

// noteShared remembers that somebody may have a ticket.
func (r *Registry) noteShared() error {
	if r.shared.Load() {
		return nil
	}
	if r.node.store() != nil {
		if err := r.node.store().SetNote(r.sharedNote(), []byte{1}); err != nil {
			return translate(err)
		}
	}
	r.shared.Store(true)
	return nil
}

// isShared says whether somebody may have a ticket.
func (r *Registry) isShared() (bool, error) {
	if r.shared.Load() || r.node.store() == nil {
		return r.shared.Load(), nil
	}
	note, err := r.node.store().Note(r.sharedNote())
	return len(note) > 0, translate(err)
}

// owned returns the membership of an owner.
func (r *Registry) owned() (*membership, error) {
	r.mu.RLock()
	err := r.err
	r.mu.RUnlock()
	m := r.member.Load()
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, detailf(ErrInvalid, "the registry is public: there are no tickets to it, whoever knows its name joins")
	case m.rights() < RightsOwner:
		return nil, ErrNotOwner
	}
	return m, nil
}

// fill makes a ticket of the options, without what the registry adds.
func (o *TicketOptions) fill(now time.Time) (*ticket.Ticket, error) {
	t := &ticket.Ticket{Rights: ticket.Rights(o.Rights)}
	if t.Rights == 0 {
		t.Rights = ticket.Read
	}
	at := o.Expires
	switch {
	case t.Rights > ticket.Owner:
		return nil, detailf(ErrInvalid, "TicketOptions.Rights is %d; it can be RightsRead, RightsWrite or RightsOwner", o.Rights)
	case o.TTL != 0 && !at.IsZero():
		return nil, detailf(ErrInvalid, "both TicketOptions.TTL and Expires; give one")
	case o.TTL < 0 || o.TTL > 0 && o.TTL < time.Second:
		return nil, detailf(ErrInvalid, "TicketOptions.TTL is %s; it can be 1s or more, or 0 for never", o.TTL)
	case o.TTL > 0:
		at = now.Add(o.TTL)
	}
	if at.IsZero() {
		return t, nil
	}
	switch {
	case t.Rights == ticket.Owner:
		return nil, detailf(ErrInvalid, "an owner's ticket cannot expire: owners have the key that signs tickets")
	case !at.After(now) || at.Year() > 9999:
		return nil, detailf(ErrInvalid, "a ticket cannot expire at %s", at.Format(time.RFC3339))
	}
	t.Expires = at.Truncate(time.Second).UTC()
	return t, nil
}

// Addresses in a ticket, where the caller names none.
const (
	maxOwnAddrs   = 6
	maxOtherAddrs = 2
)

// ticketAddrs are the addresses at which this node can be dialled, those of this machine alone only where there are no
// others, and some that it was given itself.
func (n *Node) ticketAddrs(given []string) []string {
	var own, local []string
	for _, a := range n.Addrs() {
		if strings.HasPrefix(a, "/ip4/127.") || strings.HasPrefix(a, "/ip6/::1/") {
			local = append(local, a)
		} else {
			own = append(own, a)
		}
	}
	if len(own) == 0 {
		own = local
	}
	own = own[:min(len(own), maxOwnAddrs)]
	for _, a := range given[:min(len(given), maxOtherAddrs)] {
		if !slices.Contains(own, a) && !strings.HasSuffix(a, "/p2p/"+string(n.id)) {
			own = append(own, a)
		}
	}
	return own
}

// ticketEnded says when a ticket's time is over.
func ticketEnded(t *ticket.Ticket) error {
	return detailf(ErrTicket, "the ticket expired on %s; ask for another", t.Expires.Format(time.RFC3339))
}
