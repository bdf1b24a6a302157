// Package store keeps the maps of a node on disk, in one Pebble database (an
// LSM tree: O'Neil et al., "The Log-Structured Merge-Tree", 1996). It knows
// entries and indexes, no network.
//
// [Store.Map] returns a [lwwmap.Map] whose [lwwmap.Table] is on disk. What
// changes between two Commits of that map, a step, becomes one atomic batch: the
// records that changed, their rows in the indexes, and a journal row with all that
// changed beside records, that is context, horizons, digest tree and totals. So
// none of these ever runs ahead of the others. The journal is folded into a
// checkpoint now and then, which keeps opening independent of the number of
// entries.
//
// A step is visible at its Commit and durable once [Store.Wait] has returned: one
// fsync serves everyone who waits meanwhile (group commit: DeWitt et al.,
// "Implementation Techniques for Main Memory Database Systems", 1984). After
// [Store.Gather] the steps made meanwhile are one batch, too.
//
// When the disk is full or fails, writes are refused with [ErrFull] or
// [ErrFailed] and reads go on. The process is never ended by the engine.
// After a failure of the log nothing on the disk changes any more until the store
// is renewed, see [Store.Renew], or closed and opened anew.
//
// [Store.Save] and [Restore] copy all registries as a stream; [Check] verifies a
// directory and repairs it.
//
// Rows, all keys under the number of their registry (4 bytes):
//
//	e kind key             the packed record, see lwwmap.Record
//	d actor seq kind key   of the record held under that dot
//	x expiry kind key      of records that expire
//	t stamp kind key       of tombstones
//	c, c top               checkpoint: state; the 256 parts of the digest tree
//	j number               journal: what some steps changed in the state
//	b part                 the filter of keys, only after a clean end
//
// and under number zero the store's own: format, clock ceiling, names.
package store
