package p2p

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// What of frames has come and is not whole yet takes memory for as long as the peer likes to keep it so. Beyond the first
// frameChunk of each, that is bounded for a peer and for all together; at least one frame of the largest size fits.
const (
	roomPeer = 20 << 20
	roomAll  = 32 << 20
)

// frameRoom bounds the memory of unfinished frames. Where there is too little the frame goes that has cost most, in bytes
// times the time for which it has been under way: slow large ones make way for fast ones, and small ones hardly ever go.
type frameRoom struct {
	now     func() time.Time
	refused func(peer.ID) // told of a peer whose frame had to go
	mu      sync.Mutex
	total   int
	peers   map[peer.ID]int
	frames  map[*growing]struct{}
}

// growing is an unfinished frame.
type growing struct {
	room  *frameRoom
	peer  peer.ID
	cut   func() // ends its stream
	begun bool   // for the reader alone; what follows the room guards
	bytes int
	began time.Time
	gone  bool
}

func newFrameRoom(refused func(peer.ID)) *frameRoom {
	return &frameRoom{now: time.Now, refused: refused, peers: make(map[peer.ID]int), frames: make(map[*growing]struct{})}
}

// frame is told of a frame about to come from a peer; cut ends the stream. To be given back by end.
func (r *frameRoom) frame(p peer.ID, cut func()) *growing {
	return &growing{room: r, peer: p, cut: cut}
}

// grow makes room for more bytes of the frame. ErrFrameRoom says that it has to go.
func (g *growing) grow(more int) error {
	g.begun = true
	gone, err := g.room.take(g, more)
	for _, v := range gone {
		v.cut()
		g.room.refused(v.peer)
	}
	return err
}

// take returns also the frames that had to go for it.
func (r *frameRoom) take(g *growing, more int) (gone []*growing, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g.gone {
		return nil, ErrFrameRoom
	}
	if g.bytes == 0 {
		g.began = r.now()
		r.frames[g] = struct{}{}
	}
	r.count(g, more)
	for r.peers[g.peer] > roomPeer || r.total > roomAll {
		v := r.costliest(g.peer, r.peers[g.peer] > roomPeer)
		r.drop(v)
		v.gone = true
		gone = append(gone, v)
		if v == g {
			return gone, ErrFrameRoom
		}
	}
	return gone, nil
}

// costliest is the unfinished frame that has cost most, of those of one peer or of all.
func (r *frameRoom) costliest(p peer.ID, ofPeer bool) (most *growing) {
	cost, now := -1.0, r.now()
	for g := range r.frames {
		if ofPeer && g.peer != p {
			continue
		}
		if c := float64(g.bytes) * now.Sub(g.began).Seconds(); c > cost {
			most, cost = g, c
		}
	}
	return most
}

func (r *frameRoom) count(g *growing, n int) {
	g.bytes += n
	r.total += n
	if r.peers[g.peer] += n; r.peers[g.peer] == 0 {
		delete(r.peers, g.peer)
	}
}

func (r *frameRoom) drop(g *growing) {
	r.count(g, -g.bytes)
	delete(r.frames, g)
}

// end is told that the frame is whole, or will never be.
func (g *growing) end() {
	if !g.begun {
		return
	}
	g.room.mu.Lock()
	defer g.room.mu.Unlock()
	if !g.gone {
		g.room.drop(g)
	}
}
