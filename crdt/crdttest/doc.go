// Package crdttest checks whether a replicated type keeps the laws of a CRDT, yours included.
//
// Describe the type with a [Spec] and call [Check] from a test. The checker lets a few replicas write,
// loses, repeats and reorders what they send each other, and tests on the states that come about:
//
//   - equality: Equal is symmetric, holds between a state and its clone, and Join keeps it
//   - commutative: Join(a, b) = Join(b, a)
//   - associative: Join(Join(a, b), c) = Join(a, Join(b, c))
//   - idempotent: Join(a, a) = a, and joining b once more changes nothing
//   - identity: joining with a new, empty state changes nothing
//   - inflationary: no mutation loses anything, Join(s, Mutate(s)) = Mutate(s)
//   - delta: a mutation's delta says all that it changed, Join(s, delta) = Mutate(s)
//   - convergent: replicas that got every delta, or exchanged their states, are equal, whatever the
//     order, and equal to the join of all deltas
//   - independent: states, clones and deltas share no memory that a later step changes
//   - codec, with Encode and Decode: a decoded state equals the encoded one and behaves like it
//   - canonical, with Canonical: equal states have equal bytes, and only they
//
// Each law is a subtest of its own, run for as many cases as -rapid.checks says (default 100); -rapid.steps
// is the average number of steps of a case (default 30), -rapid.seed and -rapid.failfile replay a failure. A failure is
// minimised, then shown as the law, the states that break it and the steps that led to them.
//
// # That the check was not empty
//
// Laws hold easily for states that have nothing to do with each other, or are all the same. So the checker counts
// what it did and reports it with -v, and [Spec.Require] sets minimum shares, for example that in 30 % of the cases
// two writes tie. A check in which no mutation changed anything fails.
//
// # What it does not show
//
// That a type is useful: a register that keeps the lowest value ever written passes. It tests a sample, and it
// proves nothing; rare states need generators that draw from few values. Types whose deltas may only be joined in
// order are told "convergent" or "delta" broken; return the whole state as the delta for them.
//
// The laws are those of Shapiro, Preguiça, Baquero and Zawirski, "Conflict-free Replicated Data Types" (2011),
// section 2, and, for deltas, of Almeida, Shoker and Baquero, "Delta State Replicated Data Types" (2018), section 4.
package crdttest
