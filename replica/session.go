package replica

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// State says where a session stands.
type State uint8

const (
	Running    State = iota
	Equal            // both replicas were equal to begin with
	Merged           // made equal, verified, and contexts merged
	Unverified       // entries were exchanged but the results differ; nothing was merged
	Failed           // cut off, or a peer broke the protocol
	Fetched          // some writes were asked for and sent, nothing was compared; see Fetch
)

func (s State) String() string {
	return [...]string{"running", "equal", "merged", "unverified", "failed", "fetched", "unknown"}[min(s, Fetched+1)]
}

// Session is one run of anti-entropy with a peer, over any pipe that keeps
// frames whole and in order. It works on an atomic snapshot of the replica and
// keeps, as an overlay on it, what the join of the two snapshots comes to. What
// arrives is added to the replica at once; what the join drops, and the peer's
// context, only when both sides have found the same digest.
//
// One goroutine may call Handle and another one Next.
type Session struct {
	mu     sync.Mutex
	r      *Replica
	peer   string
	dialer bool
	state  State
	err    error

	wants   []crdt.Span // of a dialler that fetches
	answers bool        // the peer fetches
	instead bool        // it has begun while this side wanted to dial

	direction Direction
	covered   bool // in one direction: the writer has seen all that the reader has

	snap   *lwwmap.Snapshot
	clock  hlc.Timestamp // this side's in its hello
	wall   hlc.Timestamp // the same
	theirs hlc.Timestamp // the peer's clock: not below any stamp that it has seen
	when   hlc.Timestamp // the later wall clock of both: when the join is judged

	queue        []Frame
	helloed      bool
	toldContext  bool
	telling      telling
	spans        []crdt.Span // of the peer's context, as its parts come in
	ranges       int         // in spans
	peerContext  *crdt.Context
	peerHorizons lwwmap.Horizons

	view    overlay
	sending sender
	gotLast bool
	got     uint64
	refused uint64
	reasons Refusals // of refused
	noRoom  int64    // what entries weigh for which there was none
	dropped int
	told    *Status // last status sent
	heard   *Status // last status received
	audit   audit
	rounds  int
	keys    uint64 // that the peer holds, as it says
}

// SessionStats sums a session up.
type SessionStats struct {
	State                   State
	Sent, Received, Refused uint64   // entries
	Dropped                 int      // entries taken out on the peer's word
	Rounds                  int      // round trips
	PeerKeys                uint64   // entries the peer holds, as it says
	Reasons                 Refusals // why entries were refused
}

// Dial begins a session as the side that speaks first.
func (r *Replica) Dial(at Instant, peer string) *Session {
	s := r.newSession(at, peer, true)
	s.queue = append(s.queue, s.hello(s.stateAt(s.wall)))
	return s
}

// Accept begins a session whose first frame the peer sends.
func (r *Replica) Accept(at Instant, peer string) *Session {
	return r.newSession(at, peer, false)
}

func (r *Replica) newSession(at Instant, peer string, dialer bool) *Session {
	wanted := r.peers.began(peer, dialer, at)
	s := &Session{
		r: r, peer: peer, instead: wanted, dialer: dialer, snap: r.m.Snapshot(), clock: r.cfg.Clock.Reading(at.Wall), wall: r.Now(at),
	}
	if p := r.peers.find(peer); p != nil && p.fails > 0 {
		s.sending.shuffle(s.clock)
	}
	return s
}

// Outdated says whether the replica has seen writes since the session began, which are no part of it; of a session
// that is over, that may be.
func (s *Session) Outdated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.r.cfg.Lock.Lock()
	defer s.r.cfg.Lock.Unlock()
	return s.snap == nil || !s.r.m.Context().Equal(s.snap.Context())
}

func (s *Session) hello(state lwwmap.Digest) *Hello {
	return &Hello{
		Version: Version, Registry: s.r.cfg.Registry, Clock: s.clock, Wall: s.wall, Keys: uint64(s.snap.Len(lwwmap.Data)), State: state,
	}
}

// stateAt is one digest of the entries that are not dead by then and of the
// context: a hello says in 16 bytes whether there is anything to do.
func (s *Session) stateAt(when hlc.Timestamp) lwwmap.Digest {
	return stateDigest(s.snap.RootAt(when), s.snap.Context().Hash())
}

func stateDigest(root lwwmap.Digest, context [16]byte) lwwmap.Digest {
	sum := sha256.Sum256(append(root[:], context[:]...))
	return lwwmap.Digest(sum[:len(root)])
}

// State is what a hello of this replica would say now.
func (r *Replica) State(at Instant) lwwmap.Digest {
	return stateDigest(r.m.RootAt(r.Now(at)), r.m.Context().Hash())
}

// Peer returns the id of the peer.
func (s *Session) Peer() string { return s.peer }

// State returns where the session stands, and why if it failed.
func (s *Session) State() (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.err
}

// Stats sums the session up so far.
func (s *Session) Stats() SessionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionStats{
		State: s.state, Sent: s.sending.count, Received: s.got, Refused: s.refused, Dropped: s.dropped, Rounds: s.rounds, PeerKeys: s.keys, Reasons: s.reasons,
	}
}

// Limit makes a session fit a pipe that may be cut after few bytes: frames end after so
// many bytes of entries, so that little of what arrives is lost with the cut, and entries of more
// than most bytes are held back. A session that held any back ends unverified. To be
// called before the first Handle and Next.
func (s *Session) Limit(frame, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending.frame, s.sending.most = frame, most
}

// Handle takes in a frame. An error has ended the session; a frame that tells
// the peer why may still be waiting in Next.
func (s *Session) Handle(at Instant, f Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != Running {
		return s.err
	}
	err := s.handle(at, f)
	if err == nil {
		err = s.checkRead()
	}
	if err != nil {
		s.fail(at, err)
		return err
	}
	s.evaluate(at)
	return nil
}

// checkRead returns why the snapshot could not be read. Then "nothing" does not
// mean nothing: what was to be said on the strength of it is not.
func (s *Session) checkRead() error {
	if s.state != Running || s.snap == nil {
		return nil
	}
	err := s.snap.Err()
	if err != nil {
		s.queue = nil
	}
	return err
}

func (s *Session) handle(at Instant, f Frame) error {
	if _, ok := f.(*Hello); ok == s.helloed {
		if _, finish := f.(*Finish); !finish {
			return fmt.Errorf("%w: %T out of turn", ErrProtocol, f)
		}
	}
	if s.helloed && (s.wants != nil || s.answers) {
		return s.handleFetch(at, f)
	}
	switch f := f.(type) {
	case *Hello:
		return s.handleHello(at, f)
	case *Contexts:
		return s.handleContexts(at, f)
	case *Entries:
		return s.handleEntries(at, f)
	case *Status:
		s.heard = f
		return nil
	case *Tops:
		return s.handleTops(f)
	case *Leaves:
		return s.handleLeaves(f)
	case *Items:
		return s.handleItems(f)
	case *Finish:
		return s.handleFinish(at, f)
	}
	return fmt.Errorf("%w: frame of type %T", ErrProtocol, f)
}

func (s *Session) handleHello(at Instant, h *Hello) error {
	if h.Version != Version {
		return fmt.Errorf("%w: peer has version %d, this node %d; run the same release on both", ErrVersion, h.Version, Version)
	}
	if h.Registry != s.r.cfg.Registry {
		return fmt.Errorf("%w: hello for another registry", ErrProtocol)
	}
	if len(h.Wants) > 0 && s.dialer {
		return fmt.Errorf("%w: the side that answers asks for writes", ErrProtocol)
	}
	if err := s.r.cfg.Clock.Check(h.Clock, at.Wall); err != nil {
		if !s.dialer { // who this node is, the peer may know all the same; its state stays untold, and so equals no other
			s.queue = append(s.queue, s.hello(lwwmap.Digest{}))
		}
		return fmt.Errorf("peer's clock: %w", err)
	}
	if h.Wall > h.Clock { // so the bound on skew holds for it, too
		return fmt.Errorf("%w: peer's wall clock lies ahead of its hybrid one", ErrProtocol)
	}
	s.helloed = true
	switch {
	case s.wants != nil:
		return nil
	case len(h.Wants) > 0:
		s.answer(at, h.Wants)
		return nil
	}
	if s.dialer {
		s.r.cfg.Lock.Lock()
		s.r.peers.answered(s.peer, at)
		s.r.cfg.Lock.Unlock()
	}
	s.rounds, s.keys = 1, h.Keys
	s.theirs, s.when = h.Clock, max(s.wall, h.Wall)
	state := s.stateAt(s.when)
	equal := state == h.State
	switch {
	case !s.dialer:
		s.queue = append(s.queue, s.hello(state))
		if !equal {
			s.tellContext()
		}
	case equal:
		s.finish(at, Equal, "")
	default:
		s.tellContext()
	}
	return nil
}

// maxSpans bounds the ranges in one frame of contexts.
const maxSpans = 2 << 10

// telling is how far this side's context was told.
type telling struct {
	on   bool
	from crdt.Actor // the first one that was not told whole
	told int        // ranges of it that were
}

// tellContext has Next tell this side's context, in parts.
func (s *Session) tellContext() {
	if s.toldContext {
		return
	}
	s.toldContext, s.telling.on = true, true
	s.rounds++
}

// contextPart is the next part of this side's context.
func (s *Session) contextPart() *Contexts {
	part, room := &Contexts{}, maxSpans
	for span := range s.snap.Context().From(s.telling.from) { // that of a snapshot never changes
		if span.Actor != s.telling.from {
			s.telling.from, s.telling.told = span.Actor, 0
		}
		n := min(len(span.Ranges)-s.telling.told, room)
		if n > 0 {
			part.Spans = append(part.Spans, crdt.Span{Actor: span.Actor, Ranges: span.Ranges[s.telling.told:][:n]})
			s.telling.told += n
			room -= n
		}
		if s.telling.told < len(span.Ranges) {
			return part
		}
	}
	part.Last, part.Horizons = true, s.snap.Horizons()
	s.telling = telling{}
	return part
}

func (s *Session) handleContexts(at Instant, f *Contexts) error {
	if s.peerContext != nil {
		return fmt.Errorf("%w: second context", ErrProtocol)
	}
	if len(f.Spans) == 0 && !f.Last {
		return fmt.Errorf("%w: empty part of a context", ErrProtocol)
	}
	if err := s.addSpans(f.Spans); err != nil {
		return err
	}
	if !f.Last {
		return nil
	}
	context, err := crdt.FromSpans(s.spans)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	for k, h := range f.Horizons {
		if err := s.r.checkOrder(at, h); err != nil {
			return fmt.Errorf("peer's collection horizon: %w", err)
		}
		if lwwmap.Kind(k)+lwwmap.Data == lwwmap.Origin && !h.IsZero() {
			return fmt.Errorf("%w: origins are never collected", ErrProtocol)
		}
		if h.Stamp > s.theirs || (lwwmap.Kind(k)+lwwmap.Data == lwwmap.Data && h.Base > h.Stamp) {
			return fmt.Errorf("%w: peer's collection horizon lies ahead of its clock", ErrProtocol)
		}
	}
	s.peerContext, s.peerHorizons, s.spans = context, f.Horizons, nil
	s.contextCame()
	s.tellContext()
	s.view.init(s.snap, s.when)
	switch s.direction {
	case Give: // nor does it know of writes of this replica that this one does not
		s.covered = s.snap.Context().Covers(context)
		s.sending.init(s.snap, context)
		return nil
	case Take:
		s.covered = context.Covers(s.snap.Context())
		s.sending.init(s.snap, s.snap.Context())
		s.beginMirror()
		return nil
	}
	s.sending.init(s.snap, context)
	s.r.cfg.Lock.Lock()
	defer s.r.cfg.Lock.Unlock()
	return s.r.checkFork(at, context.Max(s.r.actor))
}

// addSpans appends a part of the peer's context; an actor may be cut in two.
func (s *Session) addSpans(spans []crdt.Span) error {
	for _, span := range spans {
		if len(span.Ranges) == 0 {
			return fmt.Errorf("%w: actor without ranges in a context", ErrProtocol)
		}
		if err := s.keepRanges(len(span.Ranges)); err != nil {
			return err
		}
		if n := len(s.spans); n > 0 && s.spans[n-1].Actor == span.Actor {
			s.spans[n-1].Ranges = append(s.spans[n-1].Ranges, span.Ranges...)
			continue
		}
		s.spans = append(s.spans, span)
	}
	return nil
}

func (s *Session) handleFinish(at Instant, f *Finish) error {
	switch {
	case f.State == Equal && !s.dialer && s.helloed && s.peerContext == nil && !s.answers:
		s.end(at, Equal)
	case f.State == Unverified:
		s.end(at, Unverified)
	case f.State == Failed:
		return fmt.Errorf("peer ended the session: %s", f.Why)
	default:
		return fmt.Errorf("%w: session declared %s too early", ErrProtocol, f.State)
	}
	return nil
}

// Next returns a frame to send now; false means to wait for the peer or, if
// the session is no longer running, that all has been said.
func (s *Session) Next(at Instant) (Frame, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		f := s.queue[0]
		s.queue = s.queue[1:]
		return f, true
	}
	if s.state == Running && s.answers {
		return s.nextAnswer(at)
	}
	if s.state == Running && s.telling.on {
		return s.contextPart(), true
	}
	if s.state != Running || s.peerContext == nil {
		return nil, false
	}
	f := s.sending.next()
	if err := s.checkRead(); err != nil {
		s.fail(at, err)
		f, s.queue = s.queue[0], nil
	}
	if f != nil {
		return f, true
	}
	if !s.gotLast {
		return nil, false
	}
	if st := s.status(); s.told == nil || *s.told != *st {
		s.told = st
		s.evaluate(at)
		return st, true
	}
	return nil, false
}

func (s *Session) status() *Status {
	return &Status{Root: s.view.sums.Root(), Round: s.audit.round, Sent: s.sending.count, Got: s.got, Refused: s.refused}
}

// evaluate ends the session, or goes on to an audit, once both sides have said
// what they make of the join, and each counts all that the other has sent.
func (s *Session) evaluate(at Instant) {
	if s.state != Running || s.heard == nil || s.told == nil || *s.told != *s.status() || s.audit.busy {
		return
	}
	h := s.heard
	if h.Sent != s.got || h.Got != s.sending.count || h.Round != s.audit.round || !s.sending.idle() || !s.gotLast {
		return
	}
	switch {
	case h.Refused > 0 || s.refused > 0: // the digest would not show a tombstone among them
		s.finish(at, Unverified, "entries were refused")
	case s.sending.held > 0:
		s.finish(at, Unverified, "entries too large for this connection were held back")
	case h.Root == s.told.Root:
		s.merge(at)
	case s.view.full:
		s.finish(at, Unverified, "too much was exchanged to audit it in the same session")
	case s.dialer:
		s.beginRound(at)
	}
}

// merge takes over what only a verified session may: the peer's context, and
// the drops. The clock goes above all that the context names: entries that are
// gone cannot move it any more. Of a peer that may only read nothing is taken
// over.
func (s *Session) merge(at Instant) {
	r := s.r
	if s.direction == Give {
		s.end(at, Merged)
		return
	}
	if err := r.cfg.Clock.Observe(s.theirs, at.Wall); err != nil { // set back since the hello
		s.fail(at, fmt.Errorf("peer's clock: %w", err))
		return
	}
	r.cfg.Lock.Lock()
	done := r.m.Settle(s.view.dropList(), r.adoptable(s.peerContext), &s.peerHorizons)
	s.dropped = len(done)
	for _, d := range done {
		r.stats.Dropped++
		r.out.lost(d.Was)
		r.changed(at, Change{Now: d.Now, Was: d.Was, Dropped: true, Peer: s.peer})
	}
	r.cfg.Lock.Unlock()
	s.end(at, Merged)
}

// finish ends the session and tells the peer.
func (s *Session) finish(at Instant, state State, why string) {
	s.queue = append(s.queue, &Finish{State: state, Why: why})
	s.end(at, state)
}

func (s *Session) fail(at Instant, err error) {
	why := err.Error()
	s.err = err
	s.finish(at, Failed, strings.ToValidUTF8(why[:min(len(why), maxWhy)], ""))
}

// Abort ends the session from outside, as when the pipe broke.
func (s *Session) Abort(at Instant, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Running {
		s.err = err
		s.end(at, Failed)
	}
}

func (s *Session) end(at Instant, state State) {
	s.state = state
	if state == Unverified && s.err == nil {
		s.err = ErrUnverified
	}
	audits := s.audit.round > 0 || s.audit.busy
	if s.snap != nil {
		s.snap.Close()
	}
	s.snap, s.view, s.sending, s.audit = nil, overlay{}, sender{count: s.sending.count}, audit{}
	s.spans, s.peerContext = nil, nil
	s.r.cfg.Lock.Lock()
	defer s.r.cfg.Lock.Unlock()
	s.r.ranges.told -= max(s.ranges-freeRanges, 0)
	s.ranges = 0
	if s.wants != nil {
		s.r.peers.fetched(s.peer, s.got > s.refused)
		s.r.stats.Sessions.countFetch(state)
		return // whoever else lacks it was told of it, too
	}
	if s.answers {
		s.r.peers.ended(s.peer, s.dialer, Fetched, false, at) // whatever became of it
		s.r.stats.Sessions.countFetch(state)
		return
	}
	s.r.peers.ended(s.peer, s.dialer, state, s.noRoom > 0, at)
	s.r.stats.Sessions.count(state)
	if s.got > s.refused {
		s.r.peers.pass(s.peer, at)
	}
	if audits {
		s.r.stats.Sessions.Audits++
	}
}

func (c *SessionCounts) count(state State) {
	switch state {
	case Equal:
		c.Equal++
	case Merged:
		c.Merged++
	case Unverified:
		c.Unverified++
	default:
		c.Failed++
	}
}

func (c *SessionCounts) countFetch(state State) {
	if state == Fetched {
		c.Fetched++
	} else {
		c.Unfetched++
	}
}
