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
	// maxHeld bounds the ranges in this replica's own, well below maxContext.
	maxHeld = 7 << 16
	// maxOrphans bounds the actors of which no origin is held. Honest ones are
	// orphans for as long as the message with their first write is missing.
	maxOrphans = 1 << 10
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

// recount is after how many ranges that may be new the count is taken again.
const recount = 1 << 12

func (r *Replica) rangeCount() int {
	n := &r.ranges
	if !n.counted || n.added > recount {
		n.count, n.counted, n.added = r.m.Context().Fragments(), true, 0
	}
	return n.count + n.added
}

// makeRoom refuses an entry that would make the context too large: not a first
// write, nor one that follows on what was seen, unless there are very many.
func (r *Replica) makeRoom(e *lwwmap.Entry) error {
	seen, seq := r.m.Context().Of(e.Dot.Actor), e.Dot.Seq
	if seen.Has(seq) || seen.Has(seq-1) || seen.Has(seq+1) {
		return nil
	}
	if r.rangeCount() >= maxHeld || (len(seen) == 0 && e.Kind != lwwmap.Origin && r.orphans() >= maxOrphans) {
		r.stats.Refused.Bounds++
		return &EntryError{Entry: e.Dot, Why: "too many gaps, or writers of whom nothing else is known"}
	}
	r.ranges.added++
	return nil
}

// orphans is of how many actors no origin is held.
func (r *Replica) orphans() int { return r.m.Context().Len() - r.m.Len(lwwmap.Origin) }

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
// it names many actors of which there is no origin, which honest peers would have
// sent, or it is too large together with this replica's own. Knowing less than was
// seen is safe: the sessions after this one compare again.
func (r *Replica) adoptable(c *crdt.Context) *crdt.Context {
	mine := r.m.Context()
	orphans, room := maxOrphans-r.orphans(), maxHeld-mine.Fragments()
	r.ranges = ranges{told: r.ranges.told}
	if c.Len() <= orphans && c.Fragments() <= room {
		return c
	}
	var keep []crdt.Span
	left := false
	for _, span := range c.Spans() {
		seen := mine.Of(span.Actor)
		orphan := len(seen) == 0 && r.m.Get(lwwmap.Origin, originKey(span.Actor)).IsZero()
		news := len(span.Ranges)
		if seen.Union(span.Ranges).Count() == seen.Count() {
			news = 0
		}
		if news > room || (orphan && orphans <= 0) {
			left = true
			continue
		}
		if orphan {
			orphans--
		}
		room -= news
		keep = append(keep, span)
	}
	if !left {
		return c
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
