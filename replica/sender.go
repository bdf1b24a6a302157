package replica

import (
	"math"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// sender streams the entries that a peer has not seen, in the order of their
// dots, but actors of whom much is missing after all others: so the peer's context
// stays compact while they arrive, a session that was cut goes on where it
// stopped, and who writes little does not wait for who writes much. Nothing is
// held but a cursor.
type sender struct {
	snap    *lwwmap.Snapshot
	seen    *crdt.Context // by the peer
	todo    crdt.Span     // what is left of an actor's writes
	start   crdt.Actor    // where each pass over the actors begins
	from    crdt.Actor    // the first one after todo's
	wrapped bool          // it goes on from the first actor to start
	past    bool          // there is none
	bulky   bool          // it is the turn of those of whom much is missing
	second  bool          // and this is the second pass
	later   bool          // there are some for the other one
	picked  bool          // what is sent is told by only
	picks   []crdt.Span   // of it, what is left
	last    bool          // the end of the first round was said
	despite []lwwmap.Record
	again   map[lwwmap.Digest]bool // by hash, what was ever in despite
	count   uint64

	frame int // bytes of entries that end a frame, 0 for MaxDelta
	most  int // bytes of an entry that are sent at most, 0 without limit
	held  int // entries that were held back for it
}

func (s *sender) init(snap *lwwmap.Snapshot, seen *crdt.Context) {
	if s.frame == 0 {
		s.frame = MaxDelta
	}
	s.snap, s.seen, s.from = snap, seen, s.start
}

// shuffle has it begin anywhere: for a session that may end early again, as the last one did, so that after some all that is
// missing had its turn.
func (s *sender) shuffle(by hlc.Timestamp) {
	spread := uint64(by) * 0x9e3779b97f4a7c15 // what hardly differs (Knuth, volume 3, section 6.4)
	s.start, s.bulky = crdt.Actor(spread), spread>>32&1 == 1
}

// only has it send some writes, whatever the peer has seen.
func (s *sender) only(spans []crdt.Span) {
	s.picked = true
	for _, span := range spans {
		s.picks = append(s.picks, crdt.Span{Actor: span.Actor, Ranges: span.Ranges.Clone()}) // above changes them
	}
}

// more finds the writes that are to be sent next, false if there are none.
func (s *sender) more() bool {
	if len(s.todo.Ranges) > 0 {
		return true
	}
	if len(s.picks) > 0 {
		s.todo, s.picks = s.picks[0], s.picks[1:]
		return true
	}
	if s.picked {
		return false
	}
	if s.find() {
		return true
	}
	if s.second || !s.later {
		return false
	}
	s.bulky, s.second, s.from, s.wrapped, s.past = !s.bulky, true, s.start, false, false
	return s.find()
}

// muchMissing is of how many writes of an actor the peer lacks more when it has to wait for its turn.
const muchMissing = 1 << 10

// find goes on to the next actor whose turn it is.
func (s *sender) find() bool {
	for !s.past {
		for span := range s.snap.Context().From(s.from) {
			if s.wrapped && span.Actor >= s.start {
				break
			}
			left := span.Ranges.Sub(s.seen.Of(span.Actor))
			switch {
			case len(left) == 0:
				continue
			case (left.Count() > muchMissing) != s.bulky:
				s.later = true
				continue
			}
			s.todo, s.from = crdt.Span{Actor: span.Actor, Ranges: left}, span.Actor+1
			if span.Actor == math.MaxUint64 {
				s.wrap()
			}
			return true
		}
		s.wrap()
	}
	return false
}

// wrap goes on at the first actor, once.
func (s *sender) wrap() {
	s.from, s.wrapped, s.past = 0, true, s.wrapped || s.start == 0
}

// idle says whether nothing waits to be sent.
func (s *sender) idle() bool { return s.last && len(s.despite) == 0 }

// repeat queues an entry that the peer has seen but should take all the same;
// once, or a peer could have it sent for each lie.
func (s *sender) repeat(r lwwmap.Record) {
	if s.again[r.Hash()] {
		return
	}
	if s.again == nil {
		s.again = map[lwwmap.Digest]bool{}
	}
	s.again[r.Hash()] = true
	s.despite = append(s.despite, r)
}

// next returns the next frame of entries, nil if none waits.
func (s *sender) next() Frame {
	if !s.last {
		return s.unseen()
	}
	if len(s.despite) == 0 {
		return nil
	}
	f, size := &Entries{Despite: true}, 0
	for len(s.despite) > 0 && size < s.frame {
		rec := s.despite[0]
		s.despite = s.despite[1:]
		if s.fits(rec) {
			size += f.add(rec)
		}
	}
	if len(f.Entries) == 0 {
		return nil
	}
	s.count += uint64(len(f.Entries))
	return f
}

func (s *sender) unseen() Frame {
	f, size, room := &Entries{}, 0, true
	var before crdt.Dot
	for room && s.more() {
		span := &s.todo
		reached := span.Ranges.Max()
		s.snap.Dots(*span, func(rec lwwmap.Record) bool {
			dot := rec.Dot()
			if len(f.Entries) > 0 && dot != before && size+rec.Size() > 2*s.frame { // a dot that was used twice is not begun again
				reached, room = dot.Seq-1, false
				return false
			}
			before = dot
			if ships(rec) && s.fits(rec) {
				size += f.add(rec)
			}
			if size >= s.frame {
				reached, room = dot.Seq, false
			}
			return room
		})
		span.Ranges = above(span.Ranges, reached)
	}
	s.last = !s.more()
	f.Last = s.last
	s.count += uint64(len(f.Entries))
	return f
}

// fits reports whether an entry is small enough to be sent, and counts those that are not.
func (s *sender) fits(rec lwwmap.Record) bool {
	if s.most > 0 && rec.Size() > s.most {
		s.held++
		return false
	}
	return true
}

// above returns what of r lies above seq. It changes r.
func above(r crdt.Ranges, seq uint64) crdt.Ranges {
	for len(r) > 0 && r[0].Hi <= seq {
		r = r[1:]
	}
	if len(r) > 0 && r[0].Lo <= seq {
		r[0].Lo = seq + 1
	}
	return r
}

func (f *Entries) add(rec lwwmap.Record) (size int) {
	f.Entries = append(f.Entries, rec.Entry())
	return rec.Size()
}
