package p2p

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// maxTopicName is the longest topic name in bytes.
const maxTopicName = 256

// Message is a gossip message whose signature was verified.
type Message struct {
	From string // its author
	Via  string // the neighbour it came from
	Data []byte // read only: it is sent on from the same memory; it may be kept
}

// Verdict is what a handler makes of a message.
type Verdict uint8

const (
	// Accept relays the message to further peers.
	Accept Verdict = iota
	// Ignore does not relay it.
	Ignore
	// Reject does not relay it and lowers the score of the neighbour it came from,
	// who should have rejected it as well. Seven within a minute, and nothing more is
	// heard of that neighbour for a while.
	Reject
)

// TopicStats count a topic's messages since it was joined.
type TopicStats struct {
	Published uint64 // by this host
	Received  uint64 // handed to the handler
	Duplicate uint64 // that came again, within SeenFor
	Dropped   uint64 // lost at this host because a queue was full, per peer not sent to
	Ignored   uint64 // by the handler
	Rejected  uint64 // malformed, with a bad signature, or rejected by the handler
	Mesh      int    // peers that others' messages are relayed to now
}

// Topic is a joined gossip topic. All methods are safe for concurrent use.
type Topic struct {
	h      *Host
	name   string
	topic  *pubsub.Topic
	relay  pubsub.RelayCancelFunc
	handle func(Message) Verdict
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	once   sync.Once
	live   atomic.Bool // gossipsub takes its messages
	heard  atomic.Bool // up is not empty

	published, received, duplicate, dropped, ignored, rejected atomic.Uint64

	running sync.RWMutex // read-held by handler calls
	left    bool         // guarded by running

	events  *pubsub.TopicEventHandler
	mu      sync.Mutex           // guards what follows
	up      map[peer.ID]struct{} // in the topic, as gossip says
	limited map[peer.ID]struct{} // in the topic, as they said over a limited connection
	mesh    map[peer.ID]struct{}
	feeds   []*feed
}

// JoinTopic joins the topic and hands its messages, other hosts' only, to handle:
// each once, after its signature was verified and before it is relayed. Messages of
// one author come one at a time, in the order in which they reached this host; those
// of different authors concurrently. Names are 1 to 256 bytes; a topic can be joined
// once at a time.
//
// handle runs on the goroutines that verify messages, of which there are four, or as
// many as processors, for all topics together. It may take a lock and do its work.
// If it is slow, then this host's peers are read more slowly, and their Publish waits
// in the end; if it blocks, so do other topics. It must not call Publish or Close.
func (h *Host) JoinTopic(name string, handle func(m Message) Verdict) (*Topic, error) {
	if len(name) == 0 || len(name) > maxTopicName {
		return nil, fmt.Errorf("p2p: topic name of %d bytes: must be 1 to %d", len(name), maxTopicName)
	}
	if handle == nil {
		return nil, fmt.Errorf("p2p: topic %q: no handler", name)
	}
	t := &Topic{h: h, name: name, handle: handle,
		up: make(map[peer.ID]struct{}), limited: make(map[peer.ID]struct{}), mesh: make(map[peer.ID]struct{})}
	h.joining.Lock()
	defer h.joining.Unlock()
	if h.isClosed() {
		return nil, ErrClosed
	}
	if h.topic(name) != nil {
		return nil, fmt.Errorf("p2p: topic %q is joined already", name)
	}
	t.ctx, t.cancel = context.WithCancel(h.ctx)
	h.topics.Store(name, t)
	if err := t.join(); err != nil {
		t.cancel()
		h.topics.Delete(name)
		return nil, fmt.Errorf("p2p: joining topic %q: %w", name, err)
	}
	return t, nil
}

// join joins as a relay, without a subscription: messages are handled in the
// validator, which spares two changes of goroutine and a buffer that overflows.
func (t *Topic) join() (err error) {
	if t.topic, err = t.h.ps.Join(t.name); err != nil {
		return err
	}
	if t.events, err = t.topic.EventHandler(); err != nil {
		return errors.Join(err, t.topic.Close())
	}
	if err = t.topic.SetScoreParams(topicScoring()); err == nil {
		t.relay, err = t.topic.Relay()
	}
	if err != nil {
		t.events.Cancel()
		return errors.Join(err, t.topic.Close())
	}
	t.live.Store(true)
	t.h.goRun(t.watchPeers)
	t.h.greetAll()
	if r := t.h.meeting; r != nil {
		t.h.goRun(func() { r.follow(t) })
	}
	return nil
}

// validate verifies the message, then hands it over in its turn.
func (t *Topic) validate(via peer.ID, id string, a *arrival) pubsub.ValidationResult {
	if a.env.author == t.h.id { // an echo older than SeenFor
		a.ticket.cancel()
		return pubsub.ValidationIgnore
	}
	if err := a.env.verify(id, t.h.cfg.MaxMessage); err != nil {
		a.ticket.cancel()
		return t.reject(via, err)
	}
	var result pubsub.ValidationResult
	a.ticket.pass(func() {
		result = t.deliver(Message{From: t.h.names.of(a.env.author), Via: t.h.names.of(via), Data: a.env.payload})
	})
	return result
}

func (t *Topic) reject(via peer.ID, err error) pubsub.ValidationResult {
	if t == nil {
		return pubsub.ValidationReject
	}
	t.rejected.Add(1)
	t.h.refuse(via, RefusedEnvelope, 1, pointsEnvelope)
	t.h.log.Debug("message rejected", "topic", t.name, "via", via, "err", err)
	return pubsub.ValidationReject
}

func (t *Topic) deliver(m Message) pubsub.ValidationResult {
	t.running.RLock()
	defer t.running.RUnlock()
	if t.left {
		return pubsub.ValidationIgnore
	}
	t.received.Add(1)
	switch t.handle(m) {
	case Accept:
		return pubsub.ValidationAccept
	case Ignore:
		t.ignored.Add(1)
		return pubsub.ValidationIgnore
	default:
		t.rejected.Add(1)
		return pubsub.ValidationReject
	}
}

// Name is the topic's name.
func (t *Topic) Name() string { return t.name }

// Publish signs data and sends it to the topic's peers. It does not keep data. A nil
// error means that the message was queued for the peers, not that any has it. Above
// Config.MaxMessage bytes the error is ErrMessageTooLarge. The same bytes published
// again within SeenFor go to nobody.
//
// Publish does not outrun the network: while more than 4 MiB or 1,024 messages are
// queued for a peer of the topic, it waits, until ctx ends. A peer that makes it wait
// for a second while others have room is not waited for again before it has caught
// up, and loses messages when 32 MiB are queued for it.
func (t *Topic) Publish(ctx context.Context, data []byte) error {
	if len(data) > t.h.cfg.MaxMessage {
		return fmt.Errorf("%w: %d bytes, at most %d allowed", ErrMessageTooLarge, len(data), t.h.cfg.MaxMessage)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("p2p: publishing to %q: %w", t.name, err)
	}
	if err := t.h.outflow.wait(ctx, t); err != nil {
		return fmt.Errorf("p2p: publishing to %q: peers are too slow: %w", t.name, err)
	}
	sealed, id := seal(t.h.key, t.h.id, t.name, data)
	t.h.sealed.Store(&sealed[0], id)
	defer t.h.sealed.Delete(&sealed[0])
	if err := t.topic.Publish(ctx, sealed); err != nil {
		if t.ctx.Err() != nil || errors.Is(err, pubsub.ErrTopicClosed) {
			return ErrClosed
		}
		return fmt.Errorf("p2p: publishing to %q: %w", t.name, err)
	}
	t.published.Add(1)
	return nil
}

// Stats counts the topic's messages.
func (t *Topic) Stats() TopicStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TopicStats{
		Published: t.published.Load(),
		Received:  t.received.Load(),
		Duplicate: t.duplicate.Load(),
		Dropped:   t.dropped.Load(),
		Ignored:   t.ignored.Load(),
		Rejected:  t.rejected.Load(),
		Mesh:      len(t.mesh),
	}
}

// Close leaves the topic. When it returns, no call of the handler or of a function
// given to OnPeer is running and none will come, so do not call it from one. It may be
// called more than once.
func (t *Topic) Close() error {
	t.h.joining.Lock()
	defer t.h.joining.Unlock()
	return t.leave()
}

func (t *Topic) leave() (err error) {
	t.once.Do(func() {
		t.live.Store(false)
		t.cancel()
		t.running.Lock()
		t.left = true
		t.running.Unlock()
		t.relay()
		t.events.Cancel()
		if t.h.ctx.Err() == nil {
			err = t.topic.Close()
		}
		t.h.topics.Delete(t.name)
		t.mu.Lock()
		feeds := t.feeds
		t.mu.Unlock()
		for _, f := range feeds {
			f.close()
		}
	})
	return err
}
