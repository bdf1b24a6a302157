package replica

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// A value too long to flood is announced, and fetched: a fetch is a session that asks, in its hello, for some writes and is
// sent these alone. It verifies nothing, and nothing is taken over from it but the entries. Of a neighbour that has announced
// what it wrote it is fetched at once. Where the writer is none, its neighbours get it first, so there is a moment's patience
// as for all gaps, and then a session; but in the midst of a bulk load that would have to wait, as it would send once more
// all that gossip is about to bring, and a fetch need not.
const (
	// maxWants bounds the ranges of writes that a hello asks for, in all: it has to fit into the first frame of a stream.
	maxWants = 16
	// maxFetched bounds the writes of an actor that are fetched at once; where more are missing it is a session's turn.
	maxFetched = 256
	// maxFetches is how often a gap is fetched: what then is still missing was overwritten, or nobody has it.
	maxFetches = 3
	// fetchAgain is when a fetch for which there was no room is tried again.
	fetchAgain = 50 * time.Millisecond
	// fetchPatience is how long a session waits for a fetch that is under way, to not send the same once more.
	fetchPatience = 5 * time.Second
)

// Fetch is some writes to ask a peer for.
type Fetch struct {
	Peer  string
	Wants []crdt.Span
}

// Fetches returns what the last Tick found to be fetched now, each to be opened by DialFetch before the next Tick.
func (r *Replica) Fetches() []Fetch {
	all := r.peers.fetches
	r.peers.fetches = nil
	return all
}

// DialFetch begins a session that fetches; whoever cannot run it aborts it. It ends Fetched when the peer has sent what it has
// of it.
func (r *Replica) DialFetch(at Instant, f Fetch) *Session {
	r.peers.fetching[f.Peer] = at.Mono
	s := &Session{r: r, peer: f.Peer, dialer: true, wants: f.Wants, clock: r.cfg.Clock.Reading(at.Wall), wall: r.Now(at)}
	s.queue = append(s.queue, &Hello{Version: Version, Registry: r.cfg.Registry, Clock: s.clock, Wall: s.wall, Wants: f.Wants})
	return s
}

// fetch asks for what is behind a gap: the writer or, where that is no neighbour, first who told of it, then others.
func (s *schedule) fetch(r *Replica, g *gap, at Instant) {
	if g.fetches >= maxFetches || at.Mono < g.fetchAt {
		return
	}
	p := s.find(r.Writer(g.actor))
	if p == nil && g.fetches == 0 {
		if p = s.find(g.via); p != nil && s.isFetching(p.id) {
			p = nil
		}
	}
	if p == nil || p.takes {
		p = s.giver()
	}
	missing := g.missing(r.m.Context())
	switch {
	case len(missing) == 0:
		g.fetchAt = at.Mono + s.jitter(backoffFirst)
	case !s.want(p.id, crdt.Span{Actor: g.actor, Ranges: missing}, at):
		g.fetchAt = at.Mono + fetchAgain
	default:
		g.from = p.id
		g.fetches++
		g.fetchAt = at.Mono + s.jitter(backoffFirst/2<<g.fetches)
	}
}

// missing is what lies behind a gap, nothing where that is too much to be fetched.
func (g *gap) missing(seen *crdt.Context) crdt.Ranges {
	has := seen.Of(g.actor)
	most := max(has.Max(), g.upTo)
	if most-has.Count() > maxFetched {
		return nil
	}
	missing := crdt.Ranges{{Lo: 1, Hi: most}}.Sub(has)
	return missing[:min(len(missing), maxWants)]
}

// want adds to what is to be fetched from a peer, and says whether there was room. Of a peer there is one fetch at a time, and
// of all there are few, not counting those that the peer has let stall.
func (s *schedule) want(peer string, span crdt.Span, at Instant) bool {
	if s.isFetching(peer) {
		return false
	}
	i := slices.IndexFunc(s.fetches, func(f Fetch) bool { return f.Peer == peer })
	if i < 0 {
		under := len(s.fetches)
		for _, began := range s.fetching {
			if at.Mono < began+seatSilent {
				under++
			}
		}
		if under >= maxSessions {
			return false
		}
		s.fetches = append(s.fetches, Fetch{Peer: peer, Wants: []crdt.Span{span}})
		return true
	}
	f := &s.fetches[i]
	if countRanges(f.Wants)+len(span.Ranges) > maxWants {
		return false
	}
	f.Wants = append(f.Wants, span)
	return true
}

// fetched is told that a fetch has ended, and whether it brought anything.
func (s *schedule) fetched(peer string, something bool) {
	delete(s.fetching, peer)
	for i := range s.gaps {
		if g := &s.gaps[i]; g.from == peer {
			g.vain = !something
		}
	}
}

func (s *schedule) isFetching(peer string) bool {
	_, is := s.fetching[peer]
	return is
}

// noRoom is told that there is none for what an actor wrote: it is not asked for again.
func (s *schedule) noRoom(a crdt.Actor) {
	for i := range s.gaps {
		if g := &s.gaps[i]; g.actor == a {
			g.fetches, g.tries = maxFetches, maxGapTries
		}
	}
}

func countRanges(spans []crdt.Span) (n int) {
	for _, s := range spans {
		n += len(s.Ranges)
	}
	return n
}

// handleFetch is handle once both have said hello.
func (s *Session) handleFetch(at Instant, f Frame) error {
	switch f := f.(type) {
	case *Entries:
		if s.wants != nil {
			return s.handleFetched(at, f)
		}
	case *Finish:
		return s.handleFinish(at, f)
	}
	return fmt.Errorf("%w: %T in a fetch", ErrProtocol, f)
}

// answer has the session send what the peer asked for, and no more. A reader has nothing that others would take. If this
// side was about to open a session, it still is.
func (s *Session) answer(at Instant, wants []crdt.Span) {
	s.answers = true
	if s.instead {
		s.r.cfg.Lock.Lock()
		s.r.Call(at, s.peer)
		s.r.cfg.Lock.Unlock()
	}
	s.queue = append(s.queue, s.hello(lwwmap.Digest{}))
	s.sending.init(s.snap, new(crdt.Context))
	if s.direction == Take {
		wants = nil
	}
	s.sending.only(wants)
}

// nextAnswer is the next frame of what was asked for.
func (s *Session) nextAnswer(at Instant) (Frame, bool) {
	f := s.sending.next()
	if err := s.checkRead(); err != nil {
		s.fail(at, err)
		f, s.queue = s.queue[0], nil
		return f, true
	}
	if s.sending.idle() {
		s.end(at, Fetched)
	}
	return f, true
}

// handleFetched takes in what was asked for.
func (s *Session) handleFetched(at Instant, f *Entries) error {
	if f.Despite || s.direction == Give && len(f.Entries) > 0 {
		return fmt.Errorf("%w: entries that were not asked for", ErrProtocol)
	}
	for i := range f.Entries {
		if dot := f.Entries[i].Dot; !slices.ContainsFunc(s.wants, func(w crdt.Span) bool { return w.Actor == dot.Actor && w.Ranges.Has(dot.Seq) }) {
			return fmt.Errorf("%w: an entry that was not asked for", ErrProtocol)
		}
	}
	for part := range slices.Chunk(f.Entries, applyBatch) {
		s.applyFetched(at, part)
	}
	if f.Last {
		s.end(at, Fetched)
	}
	return nil
}

func (s *Session) applyFetched(at Instant, entries []lwwmap.Entry) {
	s.r.cfg.Lock.Lock()
	defer s.r.cfg.Lock.Unlock()
	was := s.r.stats.Refused
	defer func() { s.reasons.add(s.r.stats.Refused.Since(was)) }()
	for i := range entries {
		s.got++
		if _, err := s.r.apply(at, s.peer, entries[i], false); err != nil {
			if s.refused++; errors.Is(err, ErrFull) {
				s.r.peers.noRoom(entries[i].Dot.Actor)
			}
		}
	}
}
