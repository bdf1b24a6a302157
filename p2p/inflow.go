package p2p

import (
	"sync"
	"sync/atomic"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// gossipsub drops what does not fit into its validation queue. Here nothing is read
// from a peer's gossip stream while much of what came from it, or from all peers
// together, waits for validation. The transport's flow control carries that to the
// sender, whose Publish waits in turn. It also bounds the queue's memory, which
// counted in messages could reach 4 GiB.
const (
	waitingPeerBytes = 4 << 20
	waitingPeerMsgs  = 512
	waitingBytes     = 32 << 20
	waitingMsgs      = queueLen - 1024
)

// waiting counts messages that wait for validation.
type waiting struct{ bytes, msgs atomic.Int64 }

func (w *waiting) add(bytes, msgs int64) {
	w.bytes.Add(bytes)
	w.msgs.Add(msgs)
}

func (w *waiting) over(bytes, msgs int64) bool {
	return w.bytes.Load() > bytes || w.msgs.Load() > msgs
}

// arrival is a message on its way to the validator.
type arrival struct {
	from   *waiting
	env    envelope
	err    error  // env is void
	ticket ticket // void if err is set
}

// inflow knows the messages that wait, and decides when a peer's stream is read.
type inflow struct {
	order *turnstiles
	total waiting
	peers sync.Map // peer.ID to *waiting

	mu       sync.Mutex
	arrivals map[*pb.Message]*arrival
	blocked  int // readers in wait
	moved    *sync.Cond
	closed   bool
}

func newInflow() *inflow {
	f := &inflow{order: newTurnstiles(), arrivals: make(map[*pb.Message]*arrival)}
	f.moved = sync.NewCond(&f.mu)
	return f
}

func (f *inflow) of(p peer.ID) *waiting {
	if w, ok := f.peers.Load(p); ok {
		return w.(*waiting)
	}
	w, _ := f.peers.LoadOrStore(p, new(waiting))
	return w.(*waiting)
}

// enter notes a message on its way into the validation queue. It is called in the
// order of that queue.
func (f *inflow) enter(p peer.ID, m *pb.Message) {
	a := &arrival{from: f.of(p)}
	if a.env, a.err = openEnvelope(m.Data); a.err == nil {
		a.ticket = f.order.ticket(a.env.author)
	}
	size := int64(len(m.Data))
	a.from.add(size, 1)
	f.total.add(size, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrivals[m] = a
}

// take removes a message that is about to be validated. Nil if it is not known.
func (f *inflow) take(m *pb.Message) *arrival {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.arrivals[m]
	if a == nil {
		return nil
	}
	delete(f.arrivals, m)
	size := int64(len(m.Data))
	a.from.add(-size, -1)
	f.total.add(-size, -1)
	if f.blocked > 0 {
		f.moved.Broadcast()
	}
	return a
}

// discard removes a message that is not going to be validated.
func (f *inflow) discard(m *pb.Message) {
	if a := f.take(m); a != nil && a.err == nil {
		a.ticket.cancel()
	}
}

func (f *inflow) over(w *waiting) bool {
	return w.over(waitingPeerBytes, waitingPeerMsgs) || f.total.over(waitingBytes, waitingMsgs)
}

// wait returns when more may be read from the peer.
func (f *inflow) wait(p peer.ID) {
	if !f.over(f.of(p)) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocked++
	defer func() { f.blocked-- }()
	for f.over(f.of(p)) && !f.closed {
		f.moved.Wait()
	}
}

// forget is told that the peer's stream has ended.
func (f *inflow) forget(p peer.ID) {
	if f.of(p).msgs.Load() == 0 {
		f.peers.Delete(p)
	}
}

// close lets all readers and all messages go.
func (f *inflow) close() {
	f.order.close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.moved.Broadcast()
}
