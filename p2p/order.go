package p2p

import (
	"hash/maphash"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// turnstiles let messages of one author be verified concurrently and yet handled
// one at a time in the order they came: a message that overtook another would look
// like a loss to the handler.
type turnstiles struct {
	seed maphash.Seed
	all  [64]turnstile
}

// turnstile serves the authors that fall on it in the order of their tickets.
type turnstile struct {
	mu            sync.Mutex
	moved         sync.Cond
	next, serving uint64
}

func newTurnstiles() *turnstiles {
	t := &turnstiles{seed: maphash.MakeSeed()}
	for i := range t.all {
		t.all[i].moved.L = &t.all[i].mu
	}
	return t
}

func (t *turnstiles) of(author peer.ID) *turnstile {
	return &t.all[maphash.String(t.seed, string(author))%uint64(len(t.all))]
}

// ticket takes a place in the queue. Its holder must call pass in the end.
func (t *turnstile) ticket() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	return t.next - 1
}

// pass waits for the ticket's turn, runs fn, which may be nil, and lets the next one
// through.
func (t *turnstile) pass(ticket uint64, fn func()) {
	t.mu.Lock()
	for t.serving != ticket {
		t.moved.Wait()
	}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.serving++
		t.moved.Broadcast()
	}()
	if fn != nil {
		fn()
	}
}
