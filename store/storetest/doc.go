// Package storetest tests engines behind [lwwmap.Table].
//
// [Run] makes random use of a map over the engine and of one over a table so
// plain that it is right at sight, and compares every answer: steps of any
// length, walks that end early, long keys, large values, several pages of keys,
// dots used twice by a misbehaving writer, snapshots and scans beside writes,
// clean ends, crashes.
package storetest
