// Package minikv is an embedded, multi-master, offline-first key-value store.
//
// A [Node] is one process with one libp2p identity. A [Registry] is a named map that every node which opens
// it holds in full. Any node writes at any time, connected or not; all nodes that can reach each other,
// however indirectly, end with the same map.
//
//	node, err := minikv.Open(ctx, "data", minikv.Config{Listen: []string{"/ip4/0.0.0.0/tcp/4001"}})
//	cities, err := node.Registry(ctx, "cities")
//	rev, err := cities.Put(ctx, "de/hamburg", []byte("1.9M"), minikv.TTL(time.Hour))
//	entry, err := cities.Get(ctx, "de/hamburg")
//
// # What is promised
//
//   - A nil error from a write means: applied on this node, visible to its next read, as durable as [Config].Durability says, and
//     offered to every peer from then on. It does not mean that a peer has it.
//   - Nodes that have exchanged everything hold byte-equal maps; [Registry.Root] tells.
//   - Of two writes to one key the same one wins on every node: by hybrid logical clock, then by writer. A write made
//     after having seen another always wins over it. There is no merge of values.
//   - A delete stays deleted once nodes have met, however long one of them was away.
//   - Writes under a lease beat every write made without having seen them, see below.
//
// Less formally: it is a map that you own, on every machine, and that repairs itself.
//
// What must not be assumed: that a Get sees what another node wrote a moment ago; that two keys written by
// another node appear together (a [Batch] is atomic on the node that commits it and travels as one message,
// but its keys are judged one by one when they meet other writes); that put-if-absent can be built from Get
// and Put. Use a [Lease] for that.
//
// # Expiry
//
// A TTL becomes an absolute time when the entry is written. From then on the entry is invisible on every
// node by its own clock, and its space is reclaimed without being read. Put replaces value and expiry:
// without [TTL] or [KeepTTL] the registry's [DefaultTTL] applies, or none. [Registry.Expire] and
// [Registry.Persist] write the same value again with another expiry, so they compete with concurrent puts
// like any write.
//
// # Leases
//
// [Registry.Lock] takes a lease on a key. While it is live, writes to the key by anyone else, through any
// node, return [ErrLocked]. Connected nodes agree on one holder after one propagation delay. Across a
// partition each side may have one holder; after it heals exactly one remains, the same on all nodes, and
// the other is told through [Lease.Done]. Each lease has a fencing [Token]: what is written under the
// higher token wins, and a resource that remembers the highest token it saw can refuse the loser in every
// case.
//
// # Deletes
//
// A delete leaves a tombstone for [Config].TombstoneRetention. Nodes that meet later than that still agree
// on the delete; it only takes them a longer exchange.
//
// # Private and public registries
//
// A registry is private unless it is opened with [Public]. The node that makes it is its owner, and [Registry.Ticket]
// makes tickets to read, to write, or to own it: a line of text by which another node joins, with [Node.Join].
// Nobody without one can read it, write it, or learn its name, and no node takes a write from a member that
// may only read. A ticket can expire, and the rights of all who joined by it with it; [Registry.Rotate] ends them all.
// docs/security.md has the threat model.
//
// # Durability
//
// A node that is opened with a directory keeps everything there: by default a write returns when it is on
// disk, and what was acknowledged survives a kill and a power cut. See [Durability] for the other levels and
// what a crash costs then. A batch survives as a whole or not at all. No peer ever holds a write that a crash
// here could undo, and a directory that was copied, restored, or rolled back does no harm to anyone: each Open
// writes under a new name. The copy of a directory that runs beside the original needs an identity of its
// own, see [Config].Identity.
//
// When the disk is full or fails, writes return [ErrDiskFull] or [ErrStorage], and reads go on; when there is
// room again, or the disk can be written, so do writes. What is damaged is [ErrCorrupt], never a wrong value.
//
// # Limits
//
// Keys have 1 to 1,024 bytes, any bytes; values 0 to 1 MiB, or up to 16 MiB by [Config].MaxValueLen; a
// batch has at most 100,000 writes and 64 MiB. A ticket names at most 8 peers. What all entries of a registry
// may take has no limit unless [Config].MaxBytes sets one; then writes beyond it return [ErrFull].
//
// All methods of [Node], [Registry], [Lease], [Typed] and [Declared] are safe for concurrent use. A [Batch]
// is not. A nil context is refused with [ErrInvalid].
package minikv
