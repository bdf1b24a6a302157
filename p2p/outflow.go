package p2p

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// gossipsub drops what does not fit into a peer's outbound queue, and says nothing.
// Here Publish waits while a peer of the topic is full: that many bytes or messages
// are queued for it. It is no longer full when the queue has shrunk to the low marks.
// A peer that holds up the others for patience is given up until then. For one with
// even more queued, nothing further is queued at all: its score keeps gossipsub off.
const (
	fullBytes, fullMsgs = 4 << 20, 1024
	lowBytes, lowMsgs   = 2 << 20, 512
	capBytes, capMsgs   = 32 << 20, queueLen - 1024

	patience = time.Second
)

// outflow knows what is queued for each peer's gossip stream.
type outflow struct {
	full    atomic.Int64 // peers that are full
	mu      sync.Mutex
	peers   map[peer.ID]*outPeer
	changed chan struct{} // closed and replaced when a waiting Publish should look again
}

type outPeer struct {
	bytes, msgs int64
	full        bool
	givenUp     bool // Publish does not wait for it
}

func newOutflow() *outflow {
	return &outflow{peers: make(map[peer.ID]*outPeer), changed: make(chan struct{})}
}

// open is told of a new stream, with an empty queue.
func (o *outflow) open(p peer.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(p)
	o.peers[p] = &outPeer{}
}

// closed is told that the stream is gone, and its queue with it.
func (o *outflow) closed(p peer.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(p)
}

func (o *outflow) remove(p peer.ID) {
	if e := o.peers[p]; e != nil && e.full {
		o.full.Add(-1)
	}
	delete(o.peers, p)
	o.wake()
}

// known reports whether there is a stream to p.
func (o *outflow) known(p peer.ID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.peers[p] != nil
}

// queued counts messages put into p's queue, or with negative numbers written from
// it. Written may come before queued: they are told from different goroutines.
func (o *outflow) queued(p peer.ID, bytes, msgs int64) {
	if msgs == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.peers[p]
	if e == nil {
		return
	}
	e.bytes += bytes
	e.msgs += msgs
	switch {
	case !e.full && (e.bytes > fullBytes || e.msgs > fullMsgs):
		e.full = true
		o.full.Add(1)
	case e.full && e.bytes <= lowBytes && e.msgs <= lowMsgs:
		e.full, e.givenUp = false, false
		o.full.Add(-1)
		o.wake()
	}
}

// wake makes waiting Publishes look again. The caller holds mu.
func (o *outflow) wake() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// refresh is told when a topic's peers have changed.
func (o *outflow) refresh() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wake()
}

// overloaded reports whether nothing more is to be queued for p.
func (o *outflow) overloaded(p peer.ID) bool {
	if o.full.Load() == 0 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.peers[p]
	return e != nil && (e.bytes > capBytes || e.msgs > capMsgs)
}

// look sorts the peers: those with room, those that are full and waited for, those
// full and given up.
func (o *outflow) look(peers []peer.ID) (room int, full []*outPeer, givenUp int, changed chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range peers {
		switch e := o.peers[p]; {
		case e == nil || !e.full:
			room++
		case e.givenUp:
			givenUp++
		default:
			full = append(full, e)
		}
	}
	return room, full, givenUp, o.changed
}

func (o *outflow) giveUp(full []*outPeer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range full {
		e.givenUp = e.full
	}
}

// wait returns when the topic's peers can take a message: when none of them that has
// not been given up is full, and at least one, if there are any, has room. It fails
// when ctx or the host ends first.
func (o *outflow) wait(ctx context.Context, t *Topic) error {
	if o.full.Load() == 0 {
		return nil
	}
	begun := time.Now()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		room, full, givenUp, changed := o.look(t.gossipers())
		if len(full) == 0 && (room > 0 || givenUp == 0) {
			return nil
		}
		if room > 0 && time.Since(begun) >= patience {
			o.giveUp(full)
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-t.ctx.Done():
			return ErrClosed
		}
	}
}
