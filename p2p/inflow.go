package p2p

import (
	"bufio"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
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

	// maxPublish is how many messages of one RPC are looked at. Peers that answer a
	// request for lost messages send several; a flood of tiny ones would fill the queue.
	maxPublish = 512

	gossipReadBuffer = 16 << 10
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

// inflow decides when a peer's gossip stream is read.
type inflow struct {
	total waiting
	peers sync.Map // peer.ID to *waiting

	blocked atomic.Int64 // readers in wait
	mu      sync.Mutex
	moved   *sync.Cond
	closed  bool
}

func newInflow() *inflow {
	f := &inflow{}
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

// enter counts a message on its way into the validation queue.
func (f *inflow) enter(p peer.ID, size int) {
	f.total.add(int64(size), 1)
	f.of(p).add(int64(size), 1)
}

// leave takes it off, whatever became of it.
func (f *inflow) leave(p peer.ID, size int) {
	f.total.add(-int64(size), -1)
	f.of(p).add(-int64(size), -1)
	if f.blocked.Load() > 0 {
		f.mu.Lock()
		f.moved.Broadcast()
		f.mu.Unlock()
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
	f.blocked.Add(1)
	defer f.blocked.Add(-1)
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

func (f *inflow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.moved.Broadcast()
}

// gossipHost is the host as gossipsub sees it: its streams pass through the flow
// control.
type gossipHost struct {
	host.Host
	h *Host
}

// SetStreamHandler implements host.Host.
func (g gossipHost) SetStreamHandler(proto protocol.ID, handle network.StreamHandler) {
	g.Host.SetStreamHandler(proto, func(s network.Stream) {
		in := &gossipIn{Stream: s, flow: g.h.inflow, peer: s.Conn().RemotePeer()}
		in.buf = bufio.NewReaderSize((*gatedReader)(in), gossipReadBuffer)
		handle(in)
		g.h.subs.forget(in.peer)
		g.h.inflow.forget(in.peer)
	})
}

// gossipIn is an inbound gossip stream.
type gossipIn struct {
	network.Stream
	buf  *bufio.Reader
	flow *inflow
	peer peer.ID
}

// Read implements io.Reader.
func (s *gossipIn) Read(p []byte) (int, error) { return s.buf.Read(p) }

type gatedReader gossipIn

func (r *gatedReader) Read(p []byte) (int, error) {
	r.flow.wait(r.peer)
	return r.Stream.Read(p)
}
