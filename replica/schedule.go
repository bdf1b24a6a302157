package replica

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/minikv/minikv/crdt"
)

// schedule decides with whom to open sessions: with each peer that comes, where
// gossip shows a gap, with the others when a session has brought something, and now
// and then with a random peer. The latter three wait while gossip carries much: see
// load. It keeps peers in a slice in the order of
// their coming, so that every run is the same.
type schedule struct {
	rand  *rand.Rand
	self  string
	every time.Duration
	known []*peerState
	next  time.Duration // of the periodic session
	late  time.Duration // since when that is put off, zero if it is not
	load  load
	gaps  []gap
	seats []seat

	fetches  []Fetch                  // to be opened
	fetching map[string]time.Duration // since when one with a peer is under way
	// sessions counts those under way with each peer, known yet or not.
	sessions map[string]int
}

// passPatience is about how long what a session has brought is kept before it is
// passed on, so that several sessions at a time are passed on in one.
const passPatience = 200 * time.Millisecond

type peerState struct {
	id     string
	wanted bool
	at     time.Duration // not before
	fails  int           // in a row
	takes  bool          // it may only read: there is nothing to be had from it
	good   bool          // the last session succeeded
}

// seat is a session that this replica opened, and that counts towards maxSessions.
type seat struct {
	id    string
	until time.Duration // a session that takes longer counts no more
	heard bool          // the peer has answered
}

// gap is a hole in what gossip brought: missing writes of an actor.
type gap struct {
	actor crdt.Actor
	upTo  uint64 // a seq that was announced, zero if none
	via   string // who might have it
	at    time.Duration
	tries int

	fetchAt time.Duration // not fetched before
	fetches int
	told    bool   // its writer, a neighbour, has announced it: nothing else brings it, so it is fetched at once
	from    string // of whom it was fetched last
	vain    bool   // which brought nothing: whoever announces what is not there is asked every two seconds or so
}

const (
	// gapPatience gives messages that overtook each other time to arrive.
	gapPatience = 150 * time.Millisecond
	// turnPatience is how long the peer with the higher id waits for the other
	// to dial when they meet.
	turnPatience = time.Second
	backoffFirst = 500 * time.Millisecond
	backoffMost  = time.Minute
	// backoffFull takes its place where there was no room for what the peer sent: there will hardly be any soon.
	backoffFull = backoffFirst << 10
	// maxSessions bounds the sessions that a replica opens at the same time.
	maxSessions = 4
	// seatSilent and seatMost are how long a session counts towards it before and after
	// the peer has answered: peers that stall must not keep the others waiting.
	seatSilent = time.Second
	seatMost   = time.Minute
	// maxGaps bounds the gaps that are kept: a liar can show any number.
	maxGaps = 1 << 10
	// maxGapTries is how often a gap asks for a session of its own; after that
	// the periodic ones must do.
	maxGapTries = 5
)

func (s *schedule) init(cfg Config) {
	s.rand, s.self, s.every = cfg.Rand, cfg.Peer, cfg.SyncEvery
	s.sessions, s.fetching = map[string]int{}, map[string]time.Duration{}
}

func (s *schedule) find(id string) *peerState {
	for _, p := range s.known {
		if p.id == id {
			return p
		}
	}
	return nil
}

// PeerUp says that a peer of the registry can be reached.
func (r *Replica) PeerUp(at Instant, id string) {
	s := &r.peers
	if id == s.self {
		return
	}
	p := s.find(id)
	if p == nil {
		p = &peerState{id: id}
		s.known = append(s.known, p)
	}
	// A peer may open a session before it is said to be there; if that one
	// fails, another is wanted.
	p.wanted, p.fails, p.at = s.sessions[id] == 0, 0, at.Mono
	if s.self > id {
		p.at += turnPatience
	}
}

// PeerDown says that a peer can no longer be reached.
func (r *Replica) PeerDown(id string) {
	r.peers.known = slices.DeleteFunc(r.peers.known, func(p *peerState) bool { return p.id == id })
}

// Peers returns the peers that can be reached.
func (r *Replica) Peers() (ids []string) {
	for _, p := range r.peers.known {
		ids = append(ids, p.id)
	}
	return ids
}

// Call asks for a session with a peer that gossip does not reach, or did not when there was news
// for it; if the last one failed, not before its time.
func (r *Replica) Call(at Instant, id string) {
	if p := r.peers.find(id); p != nil {
		p.want(at)
	}
}

// missed notes that writes of an actor, of whom has was seen, are missing; via is who might have them. Told says that
// the last of them were announced by their writer, who is a neighbour.
func (s *schedule) missed(a crdt.Actor, has crdt.Ranges, upTo uint64, via string, told bool, at Instant) {
	fresh := gap{actor: a, upTo: upTo, via: via, at: at.Mono + gapPatience, told: told}
	for i := range s.gaps {
		g := &s.gaps[i]
		if g.actor != a {
			continue
		}
		if upTo > g.upTo && g.upTo > 0 && len(has) > 0 && has[0].Lo == 1 && has[0].Hi >= g.upTo {
			*g = fresh // it has been filled, and this is another one
		} else if upTo > g.upTo {
			g.upTo = upTo
			g.announced(told, at)
		}
		return
	}
	if len(s.gaps) == maxGaps {
		return // sessions fill it all the same, later
	}
	s.gaps = append(s.gaps, fresh)
}

// due returns the peers with which to open a session now.
func (s *schedule) due(r *Replica, at Instant) (dial []string) {
	s.load.add(r.out.takeSent(), at)
	s.seats = slices.DeleteFunc(s.seats, func(t seat) bool { return t.until <= at.Mono })
	s.checkGaps(r, at)
	s.checkPeriod(at)
	for _, p := range s.known {
		if p.wanted && s.sessions[p.id] == 0 && p.at <= at.Mono && len(s.seats)+len(dial) < maxSessions {
			p.wanted = false
			dial = append(dial, p.id)
		}
	}
	return dial
}

// checkGaps asks for a session with whoever forwarded what lies behind a gap,
// then with others, as long as the gap is there.
func (s *schedule) checkGaps(r *Replica, at Instant) {
	s.fetches = nil
	s.gaps = slices.DeleteFunc(s.gaps, func(g gap) bool { return g.tries >= maxGapTries || g.filled(r.m.Context()) })
	for i := range s.gaps {
		g := &s.gaps[i]
		if len(s.known) == 0 {
			continue
		}
		if g.toBeFetched() {
			s.fetch(r, g, at)
		}
		if at.Mono < s.patience(g) {
			continue
		}
		if at.Mono < s.load.after(g.at, gapMost) {
			s.fetch(r, g, at)
			continue
		}
		p := s.find(g.via)
		if p == nil || g.tries > 0 || p.takes {
			p = s.giver()
		}
		if p.at > at.Mono && p.fails > 0 && g.fetches < maxFetches {
			s.fetch(r, g, at) // the session has to wait
			g.at = max(g.at, g.fetchAt)
			continue
		}
		p.want(at)
		g.tries++
		g.at = at.Mono + s.jitter(backoffFirst<<g.tries)
	}
}

// announced is told that more was announced.
func (g *gap) announced(told bool, at Instant) {
	if g.vain { // it is asked for again, but not each time
		g.fetches = min(g.fetches, maxFetches-1)
		return
	}
	g.fetches, g.told = 0, g.told || told
	if told {
		g.fetchAt = at.Mono
	}
}

func (g *gap) filled(seen *crdt.Context) bool {
	return !hasGap(seen.Of(g.actor)) && (g.upTo == 0 || seen.Has(crdt.Dot{Actor: g.actor, Seq: g.upTo}))
}

// patience is until when a session waits that would close a gap.
func (s *schedule) patience(g *gap) time.Duration {
	if began, is := s.fetching[g.from]; is {
		return max(g.at, began+fetchPatience)
	}
	return g.at
}

// toBeFetched says whether there is nothing to be waited for.
func (g *gap) toBeFetched() bool { return g.told && !g.vain && g.fetches == 0 }

func (p *peerState) want(at Instant) {
	if !p.wanted {
		p.wanted, p.at = true, max(p.at, at.Mono)
	}
}

// pass asks for sessions with all peers but one: that one has brought in a session
// what the others may not have, as gossip does not carry it again. Where gossip
// shows gaps, what comes in sessions fills them, and all others hear of those gaps
// by themselves.
func (s *schedule) pass(from string, at Instant) {
	if len(s.gaps) > 0 {
		return
	}
	for _, p := range s.known {
		if p.id != from && !p.wanted {
			p.wanted, p.at = true, max(p.at, s.load.after(at.Mono+s.jitter(passPatience), gapMost))
		}
	}
}

func (s *schedule) checkPeriod(at Instant) {
	if s.next == 0 {
		s.next = at.Mono + s.jitter(s.every)
	}
	if at.Mono < s.next || len(s.known) == 0 {
		return
	}
	if s.late == 0 {
		s.late = at.Mono
	}
	if s.load.after(at.Mono, periodMost) > at.Mono && at.Mono < s.late+periodMost {
		s.next = at.Mono + s.jitter(min(s.every, periodAgain)) // not at the end of the load, when it would be everyone's turn
		return
	}
	s.late = 0
	s.next = at.Mono + s.jitter(s.every)
	s.giver().want(at)
}

// giver returns a random peer with which the last session succeeded, and from which there is something to be had.
// Where there is none, any peer that may write; the others are tried again by themselves. Where all may only read, any:
// it has a clock to compare, and may have been given the right to write.
func (s *schedule) giver() *peerState {
	for _, is := range []func(*peerState) bool{
		func(p *peerState) bool { return p.good && !p.takes },
		func(p *peerState) bool { return !p.takes },
	} {
		var of []*peerState
		for _, p := range s.known {
			if is(p) {
				of = append(of, p)
			}
		}
		if len(of) > 0 {
			return of[s.rand.IntN(len(of))]
		}
	}
	return s.known[s.rand.IntN(len(s.known))]
}

// jitter spreads d evenly over 75 to 125 %.
func (s *schedule) jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(s.rand.Int64N(int64(d)/2+1))
}

// NextTick returns how long the owner may wait until the next Tick, at most.
func (r *Replica) NextTick(at Instant, most time.Duration) time.Duration {
	wait := most
	consider := func(t time.Duration) { wait = min(wait, max(t-at.Mono, 0)) }
	free := time.Duration(0) // when there is a seat
	if s := r.peers.seats; len(s) >= maxSessions {
		free = slices.MinFunc(s, func(a, b seat) int { return cmp.Compare(a.until, b.until) }).until
	}
	for _, p := range r.peers.known {
		if p.wanted && r.peers.sessions[p.id] == 0 {
			consider(max(p.at, free))
		}
	}
	if len(r.peers.known) > 0 { // else these wait for someone to ask
		if r.peers.next != 0 {
			consider(r.peers.next)
		}
		for _, g := range r.peers.gaps {
			if g.toBeFetched() {
				consider(g.fetchAt)
			}
			due := r.peers.patience(&g)
			consider(r.peers.load.after(due, gapMost))
			if g.fetches < maxFetches {
				consider(max(due, g.fetchAt))
			}
		}
	}
	if e := r.m.NextExpiry(); e != 0 {
		wait = min(wait, max(e.Sub(r.Now(at)), time.Millisecond))
	}
	return wait
}

// began and ended keep count of sessions with a peer. began returns whether one was wanted, which this one is now.
func (s *schedule) began(id string, dialled bool, at Instant) (wanted bool) {
	s.sessions[id]++
	if dialled {
		s.seats = append(s.seats, seat{id: id, until: at.Mono + seatSilent})
	}
	if p := s.find(id); p != nil {
		wanted, p.wanted = p.wanted, false
	}
	return wanted
}

func (s *schedule) ended(id string, dialled bool, state State, full bool, at Instant) {
	if dialled {
		if i := slices.IndexFunc(s.seats, func(t seat) bool { return t.id == id }); i >= 0 {
			s.seats = slices.Delete(s.seats, i, i+1)
		}
	}
	if s.sessions[id]--; s.sessions[id] == 0 {
		delete(s.sessions, id)
	}
	p := s.find(id)
	if p == nil {
		return
	}
	if state == Fetched {
		if !p.good { // it was no session of the kind that is wanted with each peer that comes
			p.want(at)
		}
		return
	}
	if p.good = state == Equal || state == Merged; p.good {
		p.fails = 0
		return
	}
	p.fails++
	most := backoffMost
	if full {
		most = backoffFull
	}
	p.at = at.Mono + s.jitter(min(backoffFirst<<min(p.fails-1, 10), most))
	p.wanted = true
}

// answered is told that the peer of a session that this replica opened has said hello.
func (s *schedule) answered(id string, at Instant) {
	for i := range s.seats {
		if t := &s.seats[i]; t.id == id && !t.heard {
			t.heard, t.until = true, at.Mono+seatMost
		}
	}
}
