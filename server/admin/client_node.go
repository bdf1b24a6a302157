package admin

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Status describes the node.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, nil, &s)
	return s, err
}

// WaitReady asks for the status until the node answers or ctx ends, and gives the last error then.
func (c *Client) WaitReady(ctx context.Context) (Status, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last *UnreachableError
	for {
		s, err := c.Status(ctx)
		switch {
		case errors.As(err, &last):
		case err == nil || ctx.Err() == nil || last == nil:
			return s, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return s, last
		}
	}
}

// Peers lists the other nodes this one knows.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	var p []Peer
	err := c.call(ctx, http.MethodGet, "/v1/peers", nil, nil, &p)
	return p, err
}

// Connect dials a node by its multiaddr (with /p2p/ID) and gives its peer id.
func (c *Client) Connect(ctx context.Context, addr string) (string, error) {
	var r struct {
		Peer string `json:"peer"`
	}
	err := c.call(ctx, http.MethodPost, "/v1/peers", query("addr", addr), nil, &r)
	return r.Peer, err
}

// Doctor says which ways to other nodes work, and what to do about the rest.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	var checks []Check
	err := c.call(ctx, http.MethodGet, "/v1/doctor", nil, nil, &checks)
	return checks, err
}

// Sync has a session with the given peer, or with every connected one if peer is empty, and says what each did.
func (c *Client) Sync(ctx context.Context, peer string) ([]SyncResult, error) {
	var r []SyncResult
	err := c.call(ctx, http.MethodPost, "/v1/sync", query("peer", peer), nil, &r)
	return r, err
}

// Registries lists the open registries by name.
func (c *Client) Registries(ctx context.Context) ([]Registry, error) {
	var r []Registry
	err := c.call(ctx, http.MethodGet, "/v1/registries", nil, nil, &r)
	return r, err
}

// RegistryParams are the options of [Client.AddRegistry].
type RegistryParams struct {
	Public     bool     `json:"public"`               // whoever knows the name shares it
	ReadOnly   bool     `json:"read_only,omitempty"`  // follow it without writing
	DefaultTTL Duration `json:"default_ttl,omitzero"` // of its puts; zero: none
}

// AddRegistry opens a registry, making it if need be.
func (c *Client) AddRegistry(ctx context.Context, name string, p RegistryParams) (Registry, error) {
	var r Registry
	err := c.callJSON(ctx, http.MethodPost, "/v1/registries", query("registry", name), p, &r)
	return r, err
}

// DropRegistry closes a registry on this node and forgets what it holds here. Other nodes keep theirs.
func (c *Client) DropRegistry(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/v1/registries", query("registry", name), nil, nil)
}
