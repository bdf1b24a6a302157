package p2p

import "sync"

// maxNotices is how many undelivered notices a feed holds before it merges them.
const maxNotices = 1024

type notice struct {
	peer string
	up   bool
}

// A feed hands notices of peers coming and going to one function, in order, from
// one goroutine. A slow function delays its own notices alone. If more than
// maxNotices wait, those of one peer are merged: what remains ends in the same
// state and still tells of a peer that went and came back.
type feed struct {
	fn     func(peer string, up bool)
	mu     sync.Mutex
	queue  []notice
	closed bool
	wake   chan struct{} // capacity 1
	done   chan struct{} // closed when the goroutine has ended
}

func newFeed(fn func(peer string, up bool)) *feed {
	f := &feed{fn: fn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go f.run()
	return f
}

func (f *feed) post(peer string, up bool) {
	f.mu.Lock()
	if !f.closed {
		f.queue = append(f.queue, notice{peer, up})
		if len(f.queue) > maxNotices {
			f.queue = merge(f.queue)
		}
	}
	f.mu.Unlock()
	f.signal()
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// close drops what was not delivered and waits for a call in progress.
func (f *feed) close() {
	f.mu.Lock()
	f.closed, f.queue = true, nil
	f.mu.Unlock()
	f.signal()
	<-f.done
}

func (f *feed) run() {
	defer close(f.done)
	for range f.wake {
		for {
			n, ok, closed := f.pop()
			if closed {
				return
			}
			if !ok {
				break
			}
			f.fn(n.peer, n.up)
		}
	}
}

func (f *feed) pop() (n notice, ok, closed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.queue) == 0 {
		return notice{}, false, f.closed
	}
	n, f.queue = f.queue[0], f.queue[1:]
	return n, true, false
}

// merge shortens a queue in which the notices of each peer alternate. An odd
// number of them amounts to the last; up and down of a peer never told of is
// nothing; down and up must both be told.
func merge(queue []notice) []notice {
	count, seen := map[string]int{}, map[string]int{}
	for _, n := range queue {
		count[n.peer]++
	}
	var out []notice
	for _, n := range queue {
		seen[n.peer]++
		first, last := seen[n.peer] == 1, seen[n.peer] == count[n.peer]
		odd := count[n.peer]%2 == 1
		if odd && last || !odd && first && !n.up || !odd && last && n.up {
			out = append(out, n)
		}
	}
	return out
}
