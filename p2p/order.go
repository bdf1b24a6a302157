package p2p

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// turnstiles let messages of one author be verified concurrently and yet handled
// one at a time in the order they came: a message that overtook another would look
// like a loss to the handler. Without them, one in twenty did under load.
type turnstiles struct {
	seed maphash.Seed
	all  [64]turnstile
}

// turnstile serves the authors that fall on it in the order of their tickets.
type turnstile struct {
	mu    sync.Mutex
	moved sync.Cond
	queue list.List
	over  bool // nobody waits any more
}

// ticket is a place in the queue of a turnstile. It must be given back, by pass or
// cancel. Whoever waits at a turnstile relies on the holders of earlier tickets to get
// there: tickets are taken in the order in which validation begins.
type ticket struct {
	gate  *turnstile
	place *list.Element
}

func newTurnstiles() *turnstiles {
	t := &turnstiles{seed: maphash.MakeSeed()}
	for i := range t.all {
		t.all[i].moved.L = &t.all[i].mu
	}
	return t
}

// ticket queues up a message of the author.
func (t *turnstiles) ticket(author peer.ID) ticket {
	g := &t.all[maphash.String(t.seed, string(author))%uint64(len(t.all))]
	g.mu.Lock()
	defer g.mu.Unlock()
	return ticket{g, g.queue.PushBack(nil)}
}

// pass waits for the ticket's turn, runs fn and lets the next one through.
func (t ticket) pass(fn func()) {
	t.gate.mu.Lock()
	for t.gate.queue.Front() != t.place && !t.gate.over {
		t.gate.moved.Wait()
	}
	t.gate.mu.Unlock()
	defer t.cancel()
	fn()
}

// cancel gives the ticket back.
func (t ticket) cancel() {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.gate.queue.Remove(t.place)
	t.gate.moved.Broadcast()
}

// close lets everybody through: of what is still queued, nothing will be validated.
func (t *turnstiles) close() {
	for i := range t.all {
		g := &t.all[i]
		g.mu.Lock()
		g.over = true
		g.moved.Broadcast()
		g.mu.Unlock()
	}
}
