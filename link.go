package minikv

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
)

// frameLimit is the longest frame of a stream in bytes that is accepted.
var frameLimit = replica.FrameLimit(MaxValueLen)

// link joins a registry to the network: its gossip topic and its exchanges.
type link struct {
	r      *Registry
	joined atomic.Pointer[joined]
	dirty  chan struct{} // capacity 1: there is something to publish
	news   chan struct{} // capacity 1: there is something for limited peers
	slow   atomic.Bool   // there are limited peers

	mu      sync.Mutex
	ended   bool
	ending  chan struct{}        // closed with ended
	streams map[*p2p.Stream]bool // of exchanges under way
	wg      sync.WaitGroup       // of exchanges
}

// joined is a link's place in the network under one set of keys.
type joined struct {
	l      *link
	topic  *p2p.Topic
	member *membership  // nil in a public registry
	open   *atomic.Bool // the link is here: what comes is for it. The same for all that share a topic
}

// join brings a registry into the network.
func (r *Registry) join() (*link, error) {
	l := &link{r: r, dirty: make(chan struct{}, 1), news: make(chan struct{}, 1), ending: make(chan struct{}), streams: map[*p2p.Stream]bool{}}
	j, err := l.enter(r.member.Load())
	l.joined.Store(j)
	j.open.Store(true)
	return l, err
}

// enter joins the topic of a membership. Its peers are told of after begin.
func (l *link) enter(m *membership) (*joined, error) {
	j, topic := &joined{l: l, member: m, open: new(atomic.Bool)}, topicOf(l.r.name)
	if m != nil {
		topic = m.keys.Topic()
	}
	var err error
	j.topic, err = l.r.node.host.JoinTopic(topic, j.receive)
	return j, err
}

func (j *joined) begin() { j.topic.OnPeer(j.l.onPeer) }

// now is the link's place at the moment.
func (l *link) now() *joined { return l.joined.Load() }

// enterNext enters the topic of another membership, where nothing is taken in before moveTo; the same says that it is
// the one the link is in. An offline registry has none.
func (l *link) enterNext(m *membership, same bool) (*joined, error) {
	if l == nil {
		return nil, nil
	}
	if now := l.now(); same {
		return &joined{l: l, topic: now.topic, member: m, open: now.open}, nil
	}
	return l.enter(m)
}

// giveUp leaves what enterNext has entered.
func (l *link) giveUp(next *joined) error {
	if l == nil || next.topic == l.now().topic {
		return nil
	}
	return next.topic.Close()
}

// moveTo goes on in another place: exchanges in the old one are cut, and gossip moves to the new topic, unless that is
// the same.
func (l *link) moveTo(next *joined) {
	if l == nil {
		return
	}
	old := l.joined.Swap(next)
	l.cut()
	if old.topic == next.topic {
		return
	}
	old.open.Store(false)
	next.open.Store(true)
	if err := old.topic.Close(); err != nil {
		l.r.node.cfg.Logger.Warn("the topic of a registry's old keys was not left properly", "registry", l.r.name, "err", err)
	}
	l.r.mu.Lock()
	for _, id := range l.r.rep.Peers() {
		l.r.rep.PeerDown(id)
	}
	l.r.mu.Unlock()
	next.begin()
}

// cut ends the exchanges under way.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.streams {
		s.Reset()
	}
}

// begin makes close wait for a call of end. It reports false once the link has ended, and for an offline
// registry.
func (l *link) begin() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.wg.Add(1)
	}
	return !l.ended
}

func (l *link) end() { l.wg.Done() }

// track makes close and moveTo cut the stream of an exchange; of one that began before them, at once.
func (j *joined) track(s *p2p.Stream) {
	l := j.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.now() != j {
		s.Reset()
	}
	l.streams[s] = true
}

func (l *link) untrack(s *p2p.Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, s)
}

// kick says that there may be something to publish. It never blocks.
func (l *link) kick() {
	if l.hasGossip() {
		rouse(l.dirty)
	}
}

// hush gives up what was written while nobody hears it. The registry is locked.
func (l *link) hush() {
	if l != nil && !l.hasGossip() {
		l.r.rep.Skip()
	}
}

// hasPeers says whether a peer of the registry is connected.
func (l *link) hasPeers() bool { return l != nil && len(l.now().topic.Peers()) > 0 }

// hasGossip says whether gossip reaches a peer of the registry.
func (l *link) hasGossip() bool { return l != nil && l.now().topic.HasGossip() }

// pump publishes what has been written: at once when idle, and while a message is under way it gathers.
func (l *link) pump(ctx context.Context) {
	var buf []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.dirty:
		}
		for d := l.outbox(); d != nil && ctx.Err() == nil; d = l.outbox() {
			err := l.r.sendable()
			if err == nil {
				buf, err = l.now().publish(ctx, buf, d)
			}
			if err != nil && ctx.Err() == nil {
				l.r.node.cfg.Logger.Warn("a gossip message was not published; an exchange will make up for it", "registry", l.r.name, "err", err)
			}
		}
	}
}

// outbox takes the next message. What it shares with the registry are records, which do not change.
func (l *link) outbox() *replica.Delta {
	nobody := !l.hasGossip() || !l.r.isWriter()
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if nobody {
		l.r.rep.Skip() // whoever comes is told by an exchange
		return nil
	}
	return l.r.rep.Outbox()
}

// publish sends a delta to the topic's peers. It returns buf, in which the message was made.
func (j *joined) publish(ctx context.Context, buf []byte, d *replica.Delta) ([]byte, error) {
	buf, err := j.encode(buf, d)
	if err != nil {
		return buf, err
	}
	return buf, j.topic.Publish(ctx, buf)
}

// passing is about what a gossip message takes beside taking it in: its signature is verified, it is passed on, and copies of
// it come from others. Half of that is the signature.
const passing = 200 * time.Microsecond

// receive takes in a gossip message, for which its author pays.
func (j *joined) receive(m p2p.Message) p2p.Verdict {
	began := time.Now()
	verdict := j.take(m)
	j.l.r.node.turns.pay(j.payer(PeerID(m.From)), passing+time.Since(began))
	return verdict
}

// take is receive, whoever pays.
func (j *joined) take(m p2p.Message) p2p.Verdict {
	if !j.open.Load() {
		return p2p.Ignore // the keys are being changed
	}
	r := j.l.r
	at := r.node.instant()
	d, err := j.decode(m, at.Wall)
	if err != nil {
		return j.refuse(m, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writable() != nil {
		return p2p.Ignore // an exchange makes up for it when there is room
	}
	was := r.rep.Stats().Refused
	receipt := r.rep.Receive(at, m.From, m.Via, d)
	r.counts.gossipIn++
	r.scheduleTick(at)
	if receipt.Refused == nil {
		if n := len(d.Entries); n > 0 {
			r.gossipLag.note(at.Wall.Sub(d.Entries[n-1].Stamp.Time()))
		}
		return p2p.Accept
	}
	r.node.countRefusals(PeerID(m.From), r.rep.Stats().Refused.Since(was))
	var unfit *replica.EntryError
	if errors.As(receipt.Refused, &unfit) {
		return p2p.Reject
	}
	return p2p.Ignore // by the clock of the neighbour, and by what it knows of others, it may have been acceptable
}

// onPeer is told who joins and leaves the topic.
func (l *link) onPeer(id string, up bool) {
	r := l.r
	at := r.node.instant()
	l.slow.Store(len(l.now().topic.Limited()) > 0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	if up {
		r.rep.PeerUp(at, id)
	} else {
		r.rep.PeerDown(id)
	}
	r.scheduleTick(at)
}

// close ends gossip, cuts the exchanges, and waits until nothing runs any more.
func (l *link) close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	if !l.ended {
		close(l.ending)
	}
	l.ended = true
	for s := range l.streams {
		s.Reset()
	}
	l.mu.Unlock()
	err := l.now().topic.Close()
	l.wg.Wait()
	return errors.Join(err, l.now().topic.Close()) // where another took its place meanwhile
}
