package admin

import (
	"context"
	"net/http"
	"time"
)

// Rights that a ticket can grant.
const (
	RightsRead  = "read"
	RightsWrite = "write"
	RightsOwner = "owner"
)

// TicketParams say what a ticket is to grant.
type TicketParams struct {
	Rights string   `json:"rights"`         // "read", "write" or "owner"
	TTL    Duration `json:"ttl,omitzero"`   // until it and all who joined by it have no rights any more; zero: for ever
	Addrs  []string `json:"addrs,omitzero"` // to dial; none: those of the node
}

// Ticket is a ticket and what can be told of it. Its text is a secret.
type Ticket struct {
	Ticket   string     `json:"ticket"`
	Registry string     `json:"registry"`
	Rights   string     `json:"rights"`
	Expires  *time.Time `json:"expires"` // null: never
	Addrs    []string   `json:"addrs"`
}

// JoinParams are a ticket as it was pasted, and how to take it.
type JoinParams struct {
	Ticket  string `json:"ticket"`
	Replace bool   `json:"replace,omitempty"` // of a registry that the node has with other keys, replace these
}

// Ticket makes a ticket for a private registry, of which the node has to be an owner.
func (c *Client) Ticket(ctx context.Context, registry string, p TicketParams) (Ticket, error) {
	var t Ticket
	err := c.callJSON(ctx, http.MethodPost, "/v1/ticket", query("registry", registry), p, &t)
	return t, err
}

// Join opens the registry of a ticket.
func (c *Client) Join(ctx context.Context, p JoinParams) (Registry, error) {
	var r Registry
	err := c.callJSON(ctx, http.MethodPost, "/v1/join", nil, p, &r)
	return r, err
}

// Rotate gives a private registry new keys, which ends all tickets.
func (c *Client) Rotate(ctx context.Context, registry string) error {
	return c.call(ctx, http.MethodPost, "/v1/rotate", query("registry", registry), nil, nil)
}

// ForgetKeys removes the keys of a private registry that is not open.
func (c *Client) ForgetKeys(ctx context.Context, registry string) error {
	return c.call(ctx, http.MethodDelete, "/v1/secrets", query("registry", registry), nil, nil)
}
