// Package crdt is the algebra beneath minikv's replicated map: who wrote what, and who has seen it.
//
// A [Dot] names one write: an [Actor] and the number of the write among all writes of that actor, counted from 1
// without gaps. A [Context] is a set of dots, the writes that a replica has seen. Because each actor numbers
// its writes in sequence, such a set is nearly always one range per actor, plus a few later ranges while
// messages are missing; it is kept, compared and sent as ranges ([Ranges], [Span]). Dots and contexts in
// this role are from Almeida, Shoker and Baquero, "Delta State Replicated Data Types" (2018), sections 5 to 7;
// keeping exceptions as ranges follows Malkhi and Terry, "Concise Version Vectors in WinFS" (2005).
//
// A replicated type is a join semilattice ([Lattice]): its states can be joined, and the join is commutative,
// associative and idempotent. Then replicas that have received the same updates are equal, whatever the
// order and however often each one arrived. Package crdttest checks these laws for any type.
//
// # What is guaranteed
//
//   - Contexts with the same dots are equal, list equal spans and have equal hashes, however they came to be.
//   - Adding the next dot of a known actor costs a binary search among the actors and allocates nothing.
//   - Join, Sub, Covers and Equal take time linear in the number of ranges.
//   - [FromSpans] accepts exactly what [Context.Spans] can produce, so a context has one form on the wire.
//
// # What must not be assumed
//
//   - Nothing here is safe for concurrent use if one of the users writes. Whoever owns a context locks it.
//   - Nothing here limits the size of a context from outside: a decoder counts spans and ranges before it
//     makes them.
//   - A context says what was seen, not what is held: an entry that was seen may have been overtaken since.
package crdt
