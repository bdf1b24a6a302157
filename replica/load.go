package replica

import "time"

// load is how much gossip carries, sent or received: a bucket that drains at
// loadRate, held as the time at which it will be empty (a virtual scheduling
// algorithm: ITU-T I.371, annex A). While it is more than half full, no session
// is opened that can wait: one in the midst of a bulk load sends all that the
// peer has not received yet, and gossip sends it once more.
type load struct{ empty time.Duration }

const (
	loadRate = 1 << 20 // bytes a second
	loadFull = time.Second
	// periodMost and gapMost bound how long load puts off periodic sessions, and
	// those that close a gap.
	periodMost = 2 * time.Minute
	gapMost    = 10 * time.Second
	// periodAgain is about when a periodic session that was put off is tried again.
	periodAgain = 5 * time.Second
)

// add notes that gossip has carried so many bytes of entries.
func (l *load) add(bytes int, at Instant) {
	if bytes > 0 {
		takes := time.Duration(bytes) * time.Second / loadRate
		l.empty = min(max(l.empty, at.Mono)+takes, at.Mono+loadFull)
	}
}

// after puts what is due off until there is little load, by most at most.
func (l *load) after(due, most time.Duration) time.Duration {
	return max(due, min(l.empty-loadFull/2, due+most))
}
