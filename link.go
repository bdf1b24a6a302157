package minikv

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
)

// frameLimit is the longest frame of a stream in bytes that is accepted.
var frameLimit = replica.FrameLimit(MaxValueLen)

// link joins a registry to the network: its gossip topic and its exchanges.
type link struct {
	r     *Registry
	topic *p2p.Topic
	dirty chan struct{} // capacity 1: there is something to publish
	news  chan struct{} // capacity 1: there is something for limited peers
	slow  atomic.Bool   // there are limited peers

	mu      sync.Mutex
	ended   bool
	streams map[*p2p.Stream]bool // of exchanges under way
	wg      sync.WaitGroup       // of exchanges
}

// join brings a registry into the network.
func (r *Registry) join(topic string) (*link, error) {
	l := &link{r: r, dirty: make(chan struct{}, 1), news: make(chan struct{}, 1), streams: map[*p2p.Stream]bool{}}
	var err error
	l.topic, err = r.node.host.JoinTopic(topic, l.receive)
	return l, err
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

// track makes close cut a stream.
func (l *link) track(s *p2p.Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
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
	if l != nil {
		rouse(l.dirty)
	}
}

// hasPeers says whether a peer of the registry is connected.
func (l *link) hasPeers() bool { return l != nil && len(l.topic.Peers()) > 0 }

// hasGossip says whether gossip reaches a peer of the registry.
func (l *link) hasGossip() bool { return len(l.topic.Peers()) > len(l.topic.Limited()) }

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
				buf, err = replica.EncodeDelta(buf[:0], d)
			}
			if err == nil {
				err = l.topic.Publish(ctx, buf)
			}
			if err != nil && ctx.Err() == nil {
				l.r.node.cfg.Logger.Warn("a gossip message was not published; an exchange will make up for it", "registry", l.r.name, "err", err)
			}
		}
	}
}

// outbox takes the next message. What it shares with the registry are records, which do not change.
func (l *link) outbox() *replica.Delta {
	nobody := !l.hasGossip()
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if nobody {
		l.r.rep.Skip() // whoever comes is told by an exchange
		return nil
	}
	return l.r.rep.Outbox()
}

// receive takes in a gossip message.
func (l *link) receive(m p2p.Message) p2p.Verdict {
	d, err := replica.DecodeDelta(m.Data)
	if err != nil {
		l.r.countRefused(PeerID(m.Via), err)
		if errors.Is(err, replica.ErrVersion) {
			return p2p.Ignore // its neighbours may understand it
		}
		return p2p.Reject
	}
	r := l.r
	at := r.node.instant()
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
	if errors.Is(receipt.Refused, hlc.ErrSkew) {
		return p2p.Ignore // by the clock of the neighbour it may have been acceptable
	}
	return p2p.Reject
}

// onPeer is told who joins and leaves the topic.
func (l *link) onPeer(id string, up bool) {
	r := l.r
	at := r.node.instant()
	l.slow.Store(len(l.topic.Limited()) > 0)
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
	l.ended = true
	for s := range l.streams {
		s.Reset()
	}
	l.mu.Unlock()
	err := l.topic.Close()
	l.wg.Wait()
	return err
}
