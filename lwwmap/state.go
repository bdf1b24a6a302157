package lwwmap

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

// State is all that a map knows beyond its records.
type State struct {
	Context  *crdt.Context
	Horizons Horizons
	Sums     HashTree
	Counts   Counts
	Clock    hlc.Timestamp // not below any stamp that the replica has issued or heard of
}

// Counts are the totals of a map's records.
type Counts struct {
	Live       [kinds]int // not tombstones, by kind
	Tombstones int
	Bytes      int64 // packed
}

// Add counts a record n times; -1 takes it out.
func (c *Counts) Add(r Record, n int) {
	c.Bytes += int64(n * r.Size())
	if r.Deleted() {
		c.Tombstones += n
		return
	}
	c.Live[r.Kind()-Data] += n
}

// Step is what changed in a map's [State] since its last commit.
type Step struct {
	Seen     []crdt.Span   // added to the context, in the order of seeing
	Sums     []BucketDelta // added to the digest tree
	Horizons Horizons      // as they are now
	Counts   Counts        // as they are now
	Clock    hlc.Timestamp // as it is now
}

// BucketDelta is what a write added to a bucket of the digest tree.
type BucketDelta struct {
	Bucket Bucket
	Delta  Digest
}

// saw adds a range of one actor, lengthening the last one where it can: so a
// run of writes leaves one.
func (s *Step) saw(a crdt.Actor, lo, hi uint64) {
	if n := len(s.Seen); n > 0 && s.Seen[n-1].Actor == a {
		last := &s.Seen[n-1].Ranges
		if end := &(*last)[len(*last)-1]; end.Hi+1 == lo {
			end.Hi = hi
			return
		}
	}
	s.Seen = append(s.Seen, crdt.Span{Actor: a, Ranges: crdt.Ranges{{Lo: lo, Hi: hi}}})
}

func (s *Step) reset() {
	clear(s.Seen)
	s.Seen, s.Sums = s.Seen[:0], s.Sums[:0]
}

// Apply makes the step's changes to a state that stood before it.
func (s *State) Apply(step *Step) {
	for _, span := range step.Seen {
		s.Context.AddRanges(span.Actor, span.Ranges)
	}
	for _, d := range step.Sums {
		s.Sums.Add(d.Bucket, d.Delta)
	}
	s.Horizons, s.Counts, s.Clock = step.Horizons, step.Counts, step.Clock
}
