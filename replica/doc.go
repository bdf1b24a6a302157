// Package replica is the replication protocol of one registry on one node, as
// a step function: writes, messages and the time come in as arguments, messages
// and changes go out as values. It holds no goroutine, socket, file or wall
// clock, so that a thousand replicas run in one thread under a seed and replay
// exactly.
//
// Two ways lead from one replica to another:
//
//   - gossip: [Replica.Outbox] gives the next [Delta] to flood, [Replica.Receive]
//     takes one in. It is fast and may lose anything.
//   - anti-entropy: a [Session] between two replicas makes them equal, at a cost
//     in proportion to their difference. Only this is relied on.
//
// Contexts are merged, and entries dropped on a peer's word, only at the end of
// a session whose result both sides have verified by digest.
//
// A Replica is not safe for concurrent use: its owner holds one lock around
// every call. A Session takes that lock itself, for short spells, through
// [Config.Lock], and is safe for one goroutine in Handle and one in Next.
package replica
