package property_test

import (
	"errors"
	"slices"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/replica"
)

// wire is the stream under one session. It keeps frames whole and in order,
// until it breaks.
type wire struct {
	w      *world
	ends   [2]*terminal // the dialler's first
	broken bool
}

// terminal is one side's end of a wire.
type terminal struct {
	wire    *wire
	node    *node
	proc    *process
	session *replica.Session // nil until the first frame has come, on the side that accepts
	arrival time.Duration    // of the last frame sent to it
	heard   time.Duration    // when something last came
	hungUp  bool             // this side has said all
}

// sessionPatience is how long a side waits for a frame.
const sessionPatience = 4 * time.Second

var (
	errUnreachable = errors.New("peer cannot be reached")
	errBroken      = errors.New("connection broke")
	errSilent      = errors.New("peer is silent")
	errEnded       = errors.New("stream ended")
)

// dial opens a session with a peer.
func (p *process) dial(peer string) {
	p.w.tally[cSessions]++
	p.open(peer, func() *replica.Session { return p.rep.Dial(p.instant(), peer) })
}

// fetch asks a peer for some writes.
func (p *process) fetch(f replica.Fetch) {
	p.w.tally[cFetches]++
	p.open(f.Peer, func() *replica.Session { return p.rep.DialFetch(p.instant(), f) })
}

// fetchSome asks a peer, in some worlds and at times, for some of what it wrote: whether that is missing, there, or
// overwritten.
func (p *process) fetchSome() {
	w := p.w
	peers := p.rep.Peers()
	if w.calm || w.seed%4 != 0 || len(peers) == 0 || w.fetches.IntN(8) > 0 {
		return
	}
	peer := peers[w.fetches.IntN(len(peers))]
	proc := w.named(peer).proc
	if proc == nil || proc.rep.Actor() == 0 {
		return
	}
	lo := 1 + w.fetches.Uint64N(1+proc.rep.Map().Context().Max(proc.rep.Actor()))
	p.fetch(replica.Fetch{Peer: peer, Wants: []crdt.Span{{Actor: proc.rep.Actor(), Ranges: crdt.Ranges{{Lo: lo, Hi: lo + w.fetches.Uint64N(10)}}}}})
}

// open runs a session with a peer that dial begins.
func (p *process) open(peer string, dial func() *replica.Session) {
	w := p.w
	p.syncFirst()
	to := w.named(peer)
	p.commit()
	s := dial()
	limit(s, p.node, to)
	x := &wire{w: w}
	x.ends[0] = &terminal{wire: x, node: p.node, proc: p, session: s, heard: w.now}
	x.ends[1] = &terminal{wire: x, node: to, proc: to.proc, heard: w.now}
	w.note("dial", p.index, uint64(to.index))
	w.tell("%s dials %s", p.name, peer)
	if to.proc == nil || w.isDark(p.node, to) || w.isDark(to, p.node) {
		x.broken = true
		w.after(w.exp(500*time.Millisecond), func() { x.ends[0].abort(errUnreachable) })
		return
	}
	w.wires = append(w.wires, x)
	x.ends[0].pump()
	x.watch()
}

func (w *world) named(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

func (t *terminal) other() *terminal {
	if t.wire.ends[0] == t {
		return t.wire.ends[1]
	}
	return t.wire.ends[0]
}

// pump sends all that the session has to say.
func (t *terminal) pump() {
	if t.proc.dead {
		return
	}
	w, x := t.proc.w, t.wire
	for {
		f, ok := t.session.Next(t.proc.instant())
		if !ok {
			break
		}
		if x.broken {
			continue
		}
		if w.isDark(t.proc.node, t.other().node) {
			w.tally[cDark]++
			x.broken = true // a stream does not skip a frame: nothing comes behind it
			continue
		}
		if w.chance(w.plan.cut) && !w.calm {
			t.cut()
			continue
		}
		t.send(f)
	}
	if state, _ := t.session.State(); state != replica.Running && !t.hungUp {
		t.hungUp = true
		t.ended(state)
		t.send(nil)
	}
	t.proc.settle()
}

// send has a frame arrive at the other side; nil is the end of the stream.
func (t *terminal) send(f replica.Frame) {
	w, to := t.proc.w, t.other()
	if t.wire.broken {
		return
	}
	if w.plan.codec && f != nil {
		data, err := replica.EncodeFrame(nil, f)
		w.must(err)
		f, err = replica.DecodeFrame(data)
		w.must(err)
	}
	to.arrival = max(to.arrival, w.now+w.exp(w.plan.delay))
	w.queue.push(to.arrival, func() { to.receive(f) })
}

// receive takes in a frame.
func (t *terminal) receive(f replica.Frame) {
	w, p := t.wire.w, t.proc
	if t.wire.broken || p.dead {
		return
	}
	t.heard = w.now
	if f == nil {
		if t.session != nil {
			t.abort(errEnded)
		}
		return
	}
	if t.session == nil {
		p.syncFirst()
		p.commit()
		t.session = p.rep.Accept(p.instant(), t.other().node.name)
		limit(t.session, t.node, t.other().node)
	}
	err := t.session.Handle(p.instant(), f)
	w.note("frame", p.index)
	if err != nil {
		w.tell("%s, in a session with %s: %v", p.name, t.other().node.name, err)
	}
	t.pump()
}

// abort ends the session from outside, if it still runs.
func (t *terminal) abort(err error) {
	if t.session == nil || t.proc.dead {
		return
	}
	if state, _ := t.session.State(); state == replica.Running {
		t.session.Abort(t.proc.instant(), err)
		t.proc.w.tell("%s gives up a session with %s: %v", t.proc.name, t.other().node.name, err)
		t.pump()
	}
}

// cut breaks the wire; each side notices in its own time.
func (t *terminal) cut() {
	w := t.proc.w
	w.tally[cCut]++
	w.note("cut", t.proc.index)
	t.wire.broken = true
	for _, e := range t.wire.ends {
		w.after(w.exp(100*time.Millisecond), func() { e.abort(errBroken) })
	}
}

// watch has each side give up if nothing comes for long.
func (x *wire) watch() {
	x.w.after(sessionPatience, func() {
		running := false
		for _, e := range x.ends {
			if e.session == nil || e.proc.dead {
				continue
			}
			if state, _ := e.session.State(); state != replica.Running {
				continue
			}
			if x.w.now-e.heard >= sessionPatience {
				e.abort(errSilent)
			} else {
				running = true
			}
		}
		if running {
			x.watch()
			return
		}
		x.w.wires = slices.DeleteFunc(x.w.wires, func(y *wire) bool { return y == x })
	})
}

// dropWires breaks the sessions of a process that is gone.
func (w *world) dropWires(p *process) {
	for _, x := range w.wires {
		if x.ends[0].proc == p || x.ends[1].proc == p {
			x.broken = true
			for _, e := range x.ends {
				w.after(w.exp(time.Second), func() { e.abort(errBroken) })
			}
		}
	}
}

// ended counts how a session ended.
func (t *terminal) ended(state replica.State) {
	w, p := t.proc.w, t.proc
	stats := t.session.Stats()
	if t.node.reader {
		w.tally[cOneSided]++
	}
	w.note("ended", p.index, uint64(state), stats.Sent, stats.Received, uint64(stats.Dropped))
	w.tell("%s ends a session with %s: %s, sent %d, received %d, refused %d, dropped %d", p.name, t.other().node.name, state, stats.Sent, stats.Received, stats.Refused, stats.Dropped)
	if stats.Rounds > 2 {
		w.tally[cAudits]++
	}
	switch state {
	case replica.Merged:
		w.tally[cMerged]++
		w.tally[cDropped] += stats.Dropped
	case replica.Unverified:
		w.tally[cUnverified]++
	case replica.Fetched:
		w.tally[cFetched] += int(stats.Received)
	}
}
