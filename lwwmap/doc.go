// Package lwwmap is the last-writer-wins element map that minikv replicates:
// entries, their order, the causal join, tombstones, expiry, collection, and
// the digests and indexes that make comparing two replicas cheap.
//
// A [Map] is a state-based CRDT with a causal context (Almeida, Shoker, Baquero:
// "Delta State Replicated Data Types", 2018, section 7; Bieniusa et al.: "An
// optimized conflict-free replicated set", 2012). What it guarantees:
//
//   - If a dot is in the context, the map holds for its key that entry or a
//     higher one, or a tombstone at least as high was issued once.
//   - [Map.Join] is commutative and idempotent over the states that replicas can
//     reach, with collection of tombstones at any moment. It is associative for
//     each key of which some state holds an entry above all collection horizons.
//     For the others a late write, made in ignorance of a delete that has been
//     collected since, may survive one order of joins and not another; replicas
//     that meet afterwards agree all the same.
//   - Of two entries of one key the higher [Order] wins, on every replica.
//
// Less formally: deletes are final although tombstones are thrown away, because
// a replica remembers which writes it has seen, not which keys it has deleted.
//
// What must not be assumed: that an entry applied with [Map.Apply] survives the
// next join. An entry that another replica has seen and deleted goes then.
//
// The package holds no goroutine, socket, file or wall clock: time comes in as
// an argument. A Map is not safe for concurrent use with a writer; any number
// of readers may share it while nobody writes. A [Snapshot] is taken in
// constant time and may be read while the map is written.
package lwwmap
