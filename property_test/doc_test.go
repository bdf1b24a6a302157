// Package property_test shows that the replication core keeps its promises
// under everything that a network, a disk and clocks can do to it:
//
//   - simulation: the real replica core on a fake network, disk and clock, one
//     seed at a time, replayable to the last byte (sim_*_test.go)
//   - laws: what lwwmap.Map.Join keeps on states that replicas can reach, drawn
//     at random and, in a small scope, all of them (laws_*_test.go)
//   - model: three replicas against a dumb second implementation, equal after
//     every step (model_*_test.go)
//   - forks and damage: copies of a running process, and a replica whose context
//     is wrong (fork_test.go, damage_test.go)
//   - scale: a thousand replicas in one simulation (scale_test.go)
//   - mutants: bugs planted behind build tags, each caught by a test named in
//     docs/mutants.md (mutants_test.go)
//
// A failure prints its seed and the command that replays it.
package property_test
