// Package hlc is a hybrid logical clock: stamps that follow the wall clock, never go backwards,
// and respect causality between machines that exchange them.
//
// A [Timestamp] is 64 bits: 48 bits of Unix milliseconds and 16 bits that count the stamps within
// one millisecond. A [Clock] issues stamps with [Clock.Now] and takes note of the stamps of others
// with [Clock.Observe]. The algorithm is that of Kulkarni, Demirbas, Madappa, Avva and Leone,
// "Logical Physical Clocks and Consistent Snapshots in Globally Distributed Databases" (2014),
// section 3, packed into one word as in its section 6.
//
// # What is guaranteed
//
//   - Every stamp that a clock issues is above every stamp that it issued or observed before.
//   - That holds over restarts too, whatever the wall clock does, if the owner persists the ceilings
//     handed to Config.Reserve and passes the last one to the next clock as Config.Ceiling.
//   - A stamp more than Config.MaxSkew ahead of the wall clock is refused and does not move the clock.
//   - Stamps, their text and their big-endian bytes sort alike.
//
// Less formally: if write B was made by someone who had seen write A, then B carries the higher stamp;
// and nobody can push the clocks of the others further than MaxSkew into the future.
//
// # What must not be assumed
//
//   - Stamps of two clocks can be equal. Whoever needs a total order breaks ties by something else
//     (minikv uses the id of the writer).
//   - Of two writes that did not know of each other, the higher stamp need not be the later one: their
//     order is as good as the wall clocks. A machine whose clock is 30 s ahead wins such races by 30 s.
//   - A clock that was once far ahead stays ahead: it issues logical ticks on top of its last stamp until
//     the wall clock has caught up. Meanwhile its stamps do not tell the time of day.
//
// # Why it is built this way
//
// The package is pure. It never asks for the time: wall time is an argument everywhere, so that a
// simulation can run a thousand clocks in one thread and replay exactly. The only effect is
// Config.Reserve, which is called before a stamp above the reserved ceiling is issued and may fail; then
// nothing is issued.
//
// The logical part overflows into the milliseconds: after 65,536 stamps in one millisecond the clock
// borrows from the next one instead of waiting. As one word, that is an increment.
//
// A reservation reaches Config.Ahead past the wall clock, not past the clock's own last stamp. Otherwise a
// process that crashes in a loop would push its clock forward by Ahead with every start, until its peers
// refuse its stamps.
package hlc
