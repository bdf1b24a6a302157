// Package examples holds small programs, each in a directory of its own and of at most 150 lines. The comment
// at the top of each says what it shows and how to run it:
//
//   - notes: an offline program that syncs when it can
//   - presence: who is online, by TTL and watch
//   - leader: leader election, and a resource that fencing tokens guard
//   - flags: feature flags, typed, live in running programs
//   - services: a service registry, and a proxy that balances over what is in it
//   - jobs: a job runner in which leases see to it that a job has one worker at a time
//   - resp: a client in Python, by the Redis protocol
//
// They listen on loopback and talk to nobody they were not told of. The tests run them all as processes.
package examples
