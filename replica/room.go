package replica

import (
	"fmt"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// A context is in memory as a whole, and sent as a whole to who has another one.
// Honest ones have an actor for each time that a node was opened and wrote, and
// next to no gaps. These bounds keep a member from blowing up everybody's, up to
// where honest replicas could not tell each other theirs any more. Variable for
// tests.
var (
	// maxContext bounds the ranges in a whole context that a peer tells.
	maxContext = 1 << 19
	// maxHeld bounds the ranges in this replica's own, well below maxContext, and
	// maxProven those with what is added by writers who prove that there are such.
	maxHeld   = 6 << 16
	maxProven = 7 << 16
	// maxGhosts bounds the actors of which no origin is held that a peer's context
	// adds. Honest peers hold the origin of each actor that they know of, but for
	// those whose first message is missing.
	maxGhosts = 1 << 10
)

// freeRanges is how many ranges of a peer's context a session may keep without
// regard to the others; above that all sessions together keep maxContext at most.
const freeRanges = 4 << 10

// ranges counts the ranges in the context, without walking it for each write.
type ranges struct {
	count   int
	counted bool
	added   int // at most, since then
	told    int // ranges of peers' contexts that sessions keep, above freeRanges each
}

var errNoRoom = fmt.Errorf("%w: too many writers, or gaps in what they wrote", ErrBounds)

// recount is after how many ranges that may be new the count is taken again.
const recount = 1 << 12

func (r *Replica) rangeCount() int {
	n := &r.ranges
	if !n.counted || n.added > recount {
		n.count, n.counted, n.added = r.m.Context().Fragments(), true, 0
	}
	return n.count + n.added
}

// makeRoom refuses an entry that would make the context too large: one that does
// not follow on what was seen of its writer.
func (r *Replica) makeRoom(e *lwwmap.Entry) error {
	seen, seq := r.m.Context().Of(e.Dot.Actor), e.Dot.Seq
	if seen.Has(seq) || seen.Has(seq-1) || seen.Has(seq+1) {
		return nil
	}
	if r.rangeCount() >= roomFor(e.Kind == lwwmap.Origin) {
		r.stats.Refused.Bounds++
		return errNoRoom // no EntryError: whoever passed it on may have had room
	}
	r.ranges.added++
	return nil
}

func roomFor(proven bool) int {
	if proven {
		return maxProven
	}
	return maxHeld
}

// sawAll notes that seqs of an actor were seen, if there is room for that. What is
// not noted, sessions settle.
func (r *Replica) sawAll(a crdt.Actor, seqs crdt.Ranges) bool {
	seen := r.m.Context().Of(a)
	news := len(seqs)
	if news > 0 && (seqs[0].Lo == 1 || seen.Has(seqs[0].Lo-1) || seen.Has(seqs[0].Lo)) {
		news-- // it lengthens what there is
	}
	if news > 0 {
		if r.rangeCount()+news > maxHeld {
			return false
		}
		r.ranges.added += news
	}
	r.m.Saw(a, seqs)
	return true
}

// adoptable is what of a peer's context this replica takes over: all of it, unless
// it names many actors of which there is no origin, or is too large together with
// this replica's own. Knowing less than was seen is safe: the sessions after this
// one compare again.
func (r *Replica) adoptable(c *crdt.Context) *crdt.Context {
	mine := r.m.Context()
	held, ghosts := mine.Fragments(), mine.Len()-r.m.Len(lwwmap.Origin)
	r.ranges = ranges{told: r.ranges.told}
	if held+c.Fragments() <= maxHeld && ghosts+c.Len() <= maxGhosts {
		return c
	}
	var keep []crdt.Span
	for span := range c.All() {
		seen := mine.Of(span.Actor)
		if seen.Union(span.Ranges).Count() == seen.Count() {
			continue // it adds nothing
		}
		proven := !r.m.Get(lwwmap.Origin, originKey(span.Actor)).IsZero()
		more := len(span.Ranges)
		if len(seen) > 0 && more == 1 && (seen.Has(span.Ranges[0].Lo) || seen.Has(span.Ranges[0].Lo-1)) {
			more = 0
		}
		if held+more > roomFor(proven) || (len(seen) == 0 && !proven && ghosts >= maxGhosts) {
			continue
		}
		if held += more; len(seen) == 0 && !proven {
			ghosts++
		}
		keep = append(keep, span)
	}
	some, err := crdt.FromSpans(keep)
	if err != nil { // it is part of what is in form
		return new(crdt.Context)
	}
	return some
}

// keepRanges makes room for ranges of the peer's context that this session keeps
// until its end.
func (s *Session) keepRanges(n int) error {
	was := max(s.ranges-freeRanges, 0)
	if s.ranges += n; s.ranges > maxContext {
		return fmt.Errorf("%w: context of more than %d ranges", ErrBounds, maxContext)
	}
	more := max(s.ranges-freeRanges, 0) - was
	if more == 0 {
		return nil
	}
	s.r.cfg.Lock.Lock()
	defer s.r.cfg.Lock.Unlock()
	if s.r.ranges.told+more > maxContext {
		s.ranges -= n
		return fmt.Errorf("%w: the contexts of all peers that are told at the moment are too large together; try again later", ErrBounds)
	}
	s.r.ranges.told += more
	return nil
}
