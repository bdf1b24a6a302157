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
	// who should have rejected it as well.
	Reject
)

// TopicStats count a topic's messages since it was joined.
type TopicStats struct {
	Published uint64 // sent by this host
	Received  uint64 // handed to the handler
	Dropped   uint64 // lost at this host, in or out, because a queue was full
	Ignored   uint64 // by the handler
	Rejected  uint64 // malformed, with a bad signature, or rejected by the handler
}

// Topic is a joined gossip topic. All methods are safe for concurrent use.
type Topic struct {
	h      *Host
	name   string
	topic  *pubsub.Topic
	relay  pubsub.RelayCancelFunc
	handle func(Message) Verdict

	published, received, dropped, ignored, rejected atomic.Uint64

	running sync.RWMutex // read-held by handler calls
	left    bool         // guarded by running

	mu     sync.Mutex
	events *pubsub.TopicEventHandler
	ctx    context.Context
	cancel context.CancelFunc
	up     map[string]bool
	feeds  []*feed
	once   sync.Once
}

// JoinTopic joins the topic and hands its messages, other hosts' only, to handle:
// each once, after its signature was verified and before it is relayed. Names are 1
// to 256 bytes; a topic can be joined once at a time.
//
// handle is called concurrently, on the goroutines that verify messages, of which
// there are as many as processors, for all topics together. So it may take a lock
// and do its work, but a handle that blocks delays other topics, and a host that is
// behind loses messages (Stats counts them). It must not call Publish or Close.
func (h *Host) JoinTopic(name string, handle func(m Message) Verdict) (*Topic, error) {
	if len(name) == 0 || len(name) > maxTopicName {
		return nil, fmt.Errorf("p2p: topic name of %d bytes: must be 1 to %d", len(name), maxTopicName)
	}
	if handle == nil {
		return nil, fmt.Errorf("p2p: topic %q: no handler", name)
	}
	t := &Topic{h: h, name: name, handle: handle, up: make(map[string]bool)}
	h.joining.Lock()
	defer h.joining.Unlock()
	if h.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if _, ok := h.topics.Load(name); ok {
		return nil, fmt.Errorf("p2p: topic %q is joined already", name)
	}
	if err := t.join(); err != nil {
		return nil, fmt.Errorf("p2p: joining topic %q: %w", name, err)
	}
	h.topics.Store(name, t)
	return t, nil
}

// join registers the validator before the topic is announced, so that no message
// gets past it. The topic is joined as a relay, without a subscription: messages
// are handled in the validator, which spares two changes of goroutine and a buffer
// that overflows.
func (t *Topic) join() (err error) {
	ps := t.h.ps
	if err = ps.RegisterTopicValidator(t.name, t.validate, pubsub.WithValidatorInline(true)); err != nil {
		return err
	}
	if t.topic, err = ps.Join(t.name); err != nil {
		return errors.Join(err, ps.UnregisterTopicValidator(t.name))
	}
	if t.events, err = t.topic.EventHandler(); err == nil {
		t.relay, err = t.topic.Relay()
	}
	if err != nil {
		return errors.Join(err, ps.UnregisterTopicValidator(t.name), t.topic.Close())
	}
	t.ctx, t.cancel = context.WithCancel(t.h.ctx)
	t.h.goRun(t.watchPeers)
	return nil
}

// validate is gossipsub's validator of the topic. It runs for own messages, too,
// which need no verification.
func (t *Topic) validate(_ context.Context, via peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if via == t.h.id {
		return pubsub.ValidationAccept
	}
	env, err := openEnvelope(m.Data)
	if err == nil && env.author == t.h.id {
		return pubsub.ValidationIgnore // an echo older than SeenFor
	}
	if err == nil {
		err = env.verify(digest(t.name, env.payload))
	}
	if err != nil {
		t.rejected.Add(1)
		t.h.log.Debug("message rejected", "topic", t.name, "via", via, "err", err)
		return pubsub.ValidationReject
	}
	return t.deliver(Message{From: env.author.String(), Via: via.String(), Data: env.payload})
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

// Publish signs data and sends it to the topic's peers. It does not keep data. A nil
// error means that the message was queued for the peers, not that any has it. Above
// Config.MaxMessage bytes the error is ErrMessageTooLarge. The same bytes published
// again within SeenFor go to nobody.
func (t *Topic) Publish(ctx context.Context, data []byte) error {
	if len(data) > t.h.cfg.MaxMessage {
		return fmt.Errorf("%w: %d bytes, at most %d allowed", ErrMessageTooLarge, len(data), t.h.cfg.MaxMessage)
	}
	err := t.topic.Publish(ctx, seal(t.h.key, t.h.id, t.name, data))
	if err != nil {
		if t.h.ctx.Err() != nil || errors.Is(err, pubsub.ErrTopicClosed) {
			return ErrClosed
		}
		return fmt.Errorf("p2p: publishing to %q: %w", t.name, err)
	}
	t.published.Add(1)
	return nil
}

// Stats counts the topic's messages.
func (t *Topic) Stats() TopicStats {
	return TopicStats{
		Published: t.published.Load(),
		Received:  t.received.Load(),
		Dropped:   t.dropped.Load(),
		Ignored:   t.ignored.Load(),
		Rejected:  t.rejected.Load(),
	}
}

// Close leaves the topic. When it returns, no call of the handler is running and
// none will come, so do not call it from the handler. It may be called more than
// once.
func (t *Topic) Close() error {
	t.h.joining.Lock()
	defer t.h.joining.Unlock()
	t.h.topics.CompareAndDelete(t.name, t)
	return t.leave()
}

func (t *Topic) leave() (err error) {
	t.once.Do(func() {
		t.running.Lock()
		t.left = true
		t.running.Unlock()
		t.cancel()
		t.relay()
		t.events.Cancel()
		err = t.topic.Close()
		// After the topic: a message without validator would be relayed unseen.
		err = errors.Join(err, t.h.ps.UnregisterTopicValidator(t.name))
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, f := range t.feeds {
			f.close()
		}
	})
	return err
}
