package minikv

import (
	"context"
	"iter"
)

// Node is one member of the mesh: an identity, its registries, and its connections. Use [Open]; the zero value is not usable.
// Safe for concurrent use.
type Node struct {
	cfg Config
}

// Open starts a node. dir has to be "" in this version, which keeps everything in memory; anything else is [ErrNotDurable]. Open listens
// but never waits for a peer. ctx bounds Open alone, not the life of the node: that ends with [Node.Close].
func Open(ctx context.Context, dir string, cfg Config) (*Node, error) {
	if ctx == nil {
		return nil, &Error{Op: "open", Err: errNilContext}
	}
	if dir != "" {
		return nil, &Error{Op: "open", Err: ErrNotDurable}
	}
	cfg, err := cfg.validate()
	if err != nil {
		return nil, &Error{Op: "open", Err: err}
	}
	return &Node{cfg: cfg}, nil
}

// Close ends the node: it stops every watch and lease with [ErrClosed], cuts the connections, and returns when all its goroutines
// have ended. What peers have not got yet is lost with a node in memory. Calling it again returns nil.
func (n *Node) Close() error { return errPending }

// ID is the node's identity.
func (n *Node) ID() PeerID { return "" }

// Name is Config.NodeName.
func (n *Node) Name() string { return n.cfg.NodeName }

// Addrs holds the multiaddrs under which others can dial the node, each ending in /p2p/<ID>. Empty when it does not listen.
func (n *Node) Addrs() []string { return nil }

// Registry opens the registry of that name, or creates it: a registry exists wherever a node opens it. The name has 1 to 255 bytes of
// printable UTF-8. Opening one again returns the same *Registry; options given then have to be those of the first
// time, else [ErrInvalid]. Without [Public] it is [ErrPrivate] in this version. It does not wait for peers, see [Node.WaitSynced].
func (n *Node) Registry(ctx context.Context, name string, opts ...RegistryOption) (*Registry, error) {
	return nil, errPending
}

// Registries walks the names of the open registries in ascending order.
func (n *Node) Registries(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {}
}

// DropRegistry closes the registry on this node and forgets its entries here; its watches and leases end with [ErrClosed]. Peers keep theirs, and opening it again gets it
// back from them. [ErrNotFound] when it is not open.
func (n *Node) DropRegistry(ctx context.Context, name string) error { return errPending }
