package p2p

import (
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxNames bounds the names remembered; authors come from outside.
const maxNames = 4096

// names remembers the text form of peer ids, which takes longer to make than to
// look up.
type names struct {
	known sync.Map // peer.ID to string
	count atomic.Int64
}

func (n *names) of(p peer.ID) string {
	if s, ok := n.known.Load(p); ok {
		return s.(string)
	}
	s := p.String()
	if n.count.Add(1) > maxNames {
		n.known.Clear()
		n.count.Store(1)
	}
	n.known.Store(p, s)
	return s
}
