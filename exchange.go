package minikv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
)

const (
	// exchangeLimit ends an exchange that goes on and on; what arrived is kept, and the next one goes on
	// from there.
	exchangeLimit = 10 * time.Minute
	// partingLimit is how long this side waits for the peer's end once all has been said.
	partingLimit = 5 * time.Second
	// fetchLimit ends a fetch; what it did not bring is left to exchanges.
	fetchLimit = 30 * time.Second
)

// dial opens an exchange with a peer and lets it run.
func (l *link) dial(ctx context.Context, peer string) {
	l.run(ctx, peer, func() error {
		_, err := l.exchange(ctx, PeerID(peer))
		return err
	})
}

// fetch runs a session that asks a peer for some writes.
func (l *link) fetch(ctx context.Context, s *replica.Session) {
	l.run(ctx, s.Peer(), func() error {
		short, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		_, err := l.open(short, PeerID(s.Peer()), func(replica.Instant) *replica.Session { return s })
		if err != nil {
			s.Abort(l.r.node.instant(), err) // it may not have begun
		}
		return err
	})
}

// run has an exchange run, unless the link has ended.
func (l *link) run(ctx context.Context, peer string, exchange func() error) {
	if !l.begin() {
		return
	}
	go func() {
		defer l.end()
		if err := exchange(); err != nil && ctx.Err() == nil {
			l.r.node.cfg.Logger.Log(ctx, l.levelOf(peer), "an exchange failed; it will be tried again", "registry", l.r.name, "peer", peer, "err", err)
		}
	}()
}

// exchange opens an exchange with a peer and runs it to its end.
func (l *link) exchange(ctx context.Context, peer PeerID) (SyncStats, error) {
	return l.open(ctx, peer, func(at replica.Instant) *replica.Session { return l.r.rep.Dial(at, string(peer)) })
}

// open opens an exchange with the session that dial begins while the registry is locked, and runs it to its end.
func (l *link) open(ctx context.Context, peer PeerID, dial func(replica.Instant) *replica.Session) (SyncStats, error) {
	began, j := time.Now(), l.now()
	at := l.r.node.instant()
	if j.member != nil && j.member.ended(at.Wall) {
		return SyncStats{}, ticketEnded(j.member.ticket)
	}
	l.r.mu.Lock()
	if err := l.r.writable(); err != nil {
		l.r.mu.Unlock()
		return SyncStats{}, err
	}
	session := dial(at)
	l.r.mu.Unlock()
	err := l.r.sendable()
	var stream *p2p.Stream
	if err == nil {
		stream, err = l.r.node.host.Open(ctx, string(peer), syncProtocol)
	}
	if err != nil {
		session.Abort(at, err)
		if errors.Is(err, p2p.ErrNotConnected) {
			return SyncStats{}, ErrNoPeer
		}
		return SyncStats{}, err
	}
	defer stream.Close()
	fit(session, stream)
	x := newExchange(j, stream, session)
	x.dialled = true
	if j.member != nil {
		x.begin = x.dial
	}
	return x.run(ctx, began)
}

// answer runs an exchange that a peer has opened with a hello, when it is the peer's turn; begin says how, where there is
// more to it than that.
func (j *joined) answer(stream *p2p.Stream, of payer, begin func(*exchange) error) {
	l, turns := j.l, j.l.r.node.turns
	seat, err := turns.take(of, stream.Reset, l.ending)
	if err != nil {
		refuse(stream, err.Error())
		return
	}
	defer turns.leave(seat)
	var session *replica.Session
	began := time.Now()
	turns.step(of, seat, func() { session, err = j.accepted(stream.Peer()) })
	if err == nil {
		if err = l.r.sendable(); err != nil {
			session.Abort(l.r.node.instant(), err)
		}
	}
	if err != nil {
		refuse(stream, err.Error())
		return
	}
	fit(session, stream)
	x := newExchange(j, stream, session)
	x.payer, x.seat = of, seat
	x.begin = func() error { return begin(x) }
	if _, err := x.run(context.Background(), began); err != nil {
		l.r.node.cfg.Logger.Log(context.Background(), l.levelOf(stream.Peer()), "an exchange that a peer opened failed", "registry", l.r.name, "peer", x.peer, "err", err)
	}
}

// accepted begins the session of an exchange that a peer has opened.
func (j *joined) accepted(peer string) (*replica.Session, error) {
	r := j.l.r
	at := r.node.instant()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.writable(); err != nil {
		return nil, err
	}
	session := r.rep.Accept(at, peer)
	r.node.turns.weigh(snapshotWeight(r.m.Context().Len()))
	return session, nil
}

// snapshotWeight is about what a session takes at most, in bytes, beside what it exchanges: a digest tree that has changed all
// over since it began, and the contexts that were told, with each writer that there ever was.
func snapshotWeight(writers int) int { return 1<<20 + 160*writers }

// exchange is one run of anti-entropy over a stream: one goroutine reads, one writes. Frames are decoded
// and encoded outside the registry's lock, and the session holds that for short spells.
type exchange struct {
	l       *link
	joined  *joined     // as of the beginning
	member  *membership // nil in a public registry
	stream  *p2p.Stream
	session *replica.Session
	peer    PeerID
	payer   payer
	seat    *seat         // nil: dialled
	begin   func() error  // what comes before the frames; nil: nothing
	channel *seal.Channel // seals the frames, nil: nothing does
	dialled bool          // by this node
	topic   string        // of the registry
	until   time.Time     // of the peer's membership; the zero time: for good
	proved  bool          // the peer has shown that it is a member
	missed  bool          // and until then, since the exchange began, there was gossip, which it did not get
	work    chan struct{} // capacity 1: there may be something to send
	refusal string        // why the peer's last frame could not be read; written before the session is aborted for it
}

func newExchange(j *joined, stream *p2p.Stream, session *replica.Session) *exchange {
	return &exchange{l: j.l, joined: j, member: j.member, topic: j.topic.Name(), stream: stream, session: session, peer: PeerID(stream.Peer()), payer: payer{peer: PeerID(stream.Peer())}, work: make(chan struct{}, 1)}
}

func (x *exchange) run(ctx context.Context, began time.Time) (SyncStats, error) {
	defer context.AfterFunc(ctx, x.stream.Reset)()
	x.joined.track(x.stream)
	defer x.l.untrack(x.stream)
	x.stream.SetDeadline(began.Add(exchangeLimit))
	if x.begin != nil {
		if err := x.begin(); err != nil {
			x.session.Abort(x.l.r.node.instant(), err)
			return x.result(began)
		}
	}
	read := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { x.write(read) })
	x.read()
	close(read)
	writer.Wait()
	return x.result(began)
}

// read takes in frames until the session is over, and then waits for the peer's end, so that neither side
// cuts off the other's last words.
func (x *exchange) read() {
	for {
		data, err := x.stream.ReadFrame(frameLimit + seal.FrameOverhead)
		if err != nil {
			x.session.Abort(x.l.r.node.instant(), fmt.Errorf("reading from the peer: %w", err))
			return
		}
		if x.isOver() {
			continue
		}
		x.step(func() { x.take(data) })
	}
}

// step does a part of the exchange when it is the peer's turn.
func (x *exchange) step(fn func()) { x.l.r.node.turns.step(x.payer, x.seat, fn) }

// take takes a frame in.
func (x *exchange) take(data []byte) {
	frame, err := x.open(data)
	if err != nil {
		x.l.r.countRefused(x.peer, err)
		x.refusal = err.Error()
		x.session.Abort(x.l.r.node.instant(), err)
		rouse(x.work)
		return
	}
	x.handle(frame)
}

func (x *exchange) handle(frame replica.Frame) {
	at := x.l.r.node.instant()
	hello, first := frame.(*replica.Hello)
	if first {
		x.l.r.noteHello(x.peer, hello, at) // the hybrid clock would hide a node that is ahead of all: they follow it
	}
	if first == x.dialled {
		x.prove()
	}
	if err := x.l.r.mayTake(); err != nil {
		x.session.Abort(at, err)
	}
	err := x.session.Handle(at, frame) // the session keeps it
	if errors.Is(err, replica.ErrProtocol) {
		x.l.r.countRefused(x.peer, err)
	}
	if first && errors.Is(err, hlc.ErrSkew) {
		x.prove() // its clock is refused, not its membership, and it will say no more
	}
	rouse(x.work)
}

// prove lets the peer have gossip. Whoever has dialled does so first: a peer must not be taken into the mesh of gossip before
// it would take this node.
func (x *exchange) prove() {
	if x.proved {
		return
	}
	x.proved = true
	if x.l.r.node.host.Prove(string(x.peer), x.topic, x.until) {
		x.missed = x.session.Outdated()
	}
}

// callAgain asks for another exchange when this one was too early for what gossip was not yet to bring.
func (x *exchange) callAgain() {
	if !x.missed {
		return
	}
	r, at := x.l.r, x.l.r.node.instant()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rep.Call(at, string(x.peer))
	r.scheduleTick(at)
}

// write sends what the session has to say until it is over.
func (x *exchange) write(read <-chan struct{}) {
	var buf []byte
	for ended := false; ; {
		for {
			more, err := false, error(nil)
			x.step(func() { buf, more, err = x.next(buf) })
			if !more {
				break
			}
			if err == nil {
				err = x.stream.WriteFrame(buf)
			}
			if err != nil {
				x.session.Abort(x.l.r.node.instant(), fmt.Errorf("writing to the peer: %w", err))
				x.stream.Reset()
				return
			}
		}
		if ended || x.isOver() {
			if x.refusal != "" {
				_, _ = x.send(buf, refusal(x.refusal)) // the peer learns it from the closed stream otherwise
			}
			x.stream.SetDeadline(time.Now().Add(partingLimit))
			_ = x.stream.CloseWrite()
			return
		}
		select {
		case <-x.work:
		case <-read:
			ended = true
		}
	}
}

// next makes what is to be sent now, in buf if that has room; more says whether there is anything.
func (x *exchange) next(buf []byte) (frame []byte, more bool, err error) {
	f, ok := x.session.Next(x.l.r.node.instant())
	if !ok {
		return buf, false, nil
	}
	buf, err = x.pack(buf, f)
	return buf, true, err
}

// pack encodes and seals a frame, in buf if that has room.
func (x *exchange) pack(buf []byte, frame replica.Frame) ([]byte, error) {
	buf, err := replica.EncodeFrame(buf[:0], frame)
	if err == nil && x.channel != nil {
		buf = x.channel.Seal(buf)
	}
	return buf, err
}

// send writes a frame, which is made in buf if that has room.
func (x *exchange) send(buf []byte, frame replica.Frame) ([]byte, error) {
	buf, err := x.pack(buf, frame)
	if err != nil {
		return buf, err
	}
	return buf, x.stream.WriteFrame(buf)
}

// open reads a frame, in place.
func (x *exchange) open(data []byte) (replica.Frame, error) {
	if x.channel != nil {
		var err error
		if data, err = x.channel.Open(data); err != nil {
			return nil, err
		}
	}
	return replica.DecodeFrame(data)
}

func (x *exchange) isOver() bool {
	state, _ := x.session.State()
	return state != replica.Running
}

// result sums the exchange up, and notes it with the peer.
func (x *exchange) result(began time.Time) (SyncStats, error) {
	state, err := x.session.State()
	done := x.session.Stats()
	in, out := x.stream.Bytes()
	stats := SyncStats{
		Sent: int(done.Sent), Received: int(done.Received), Refused: int(done.Refused), Dropped: done.Dropped,
		BytesIn: in, BytesOut: out, Rounds: done.Rounds, Took: time.Since(began),
	}
	x.l.r.node.countRefusals(x.peer, done.Reasons)
	if x.dialled && (state == replica.Equal || state == replica.Merged) && x.l.r.node.host.Conduct(string(x.peer)).Points == 0 {
		x.l.r.node.turns.trust(x.peer)
	}
	x.callAgain()
	x.l.r.noteExchange(x.peer, stats, state == replica.Equal || state == replica.Merged)
	return stats, err
}
