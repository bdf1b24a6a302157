package p2p

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// maxTraffic bounds the peers whose bytes are remembered.
const maxTraffic = 4096

// traffic counts the bytes of all streams by peer, as libp2p's bandwidth reporter. Its
// own keeps moving rates, at the cost of a goroutine that wakes up every second.
type traffic struct {
	known sync.Map // peer.ID to *peerTraffic
	count atomic.Int64
}

type peerTraffic struct{ in, out atomic.Int64 }

var _ metrics.Reporter = (*traffic)(nil)

func (t *traffic) of(p peer.ID) *peerTraffic {
	if c, ok := t.known.Load(p); ok {
		return c.(*peerTraffic)
	}
	if t.count.Add(1) > maxTraffic {
		t.known.Clear()
		t.count.Store(1)
	}
	c, _ := t.known.LoadOrStore(p, new(peerTraffic))
	return c.(*peerTraffic)
}

// bytes are those read from and written to the peer's streams so far.
func (t *traffic) bytes(p peer.ID) (in, out int64) {
	if c, ok := t.known.Load(p); ok {
		return c.(*peerTraffic).in.Load(), c.(*peerTraffic).out.Load()
	}
	return 0, 0
}

// LogSentMessageStream implements metrics.Reporter.
func (t *traffic) LogSentMessageStream(n int64, _ protocol.ID, p peer.ID) { t.of(p).out.Add(n) }

// LogRecvMessageStream implements metrics.Reporter.
func (t *traffic) LogRecvMessageStream(n int64, _ protocol.ID, p peer.ID) { t.of(p).in.Add(n) }

// LogSentMessage implements metrics.Reporter; the same bytes are told by stream.
func (t *traffic) LogSentMessage(int64) {}

// LogRecvMessage implements metrics.Reporter.
func (t *traffic) LogRecvMessage(int64) {}

// GetBandwidthForPeer implements metrics.Reporter.
func (t *traffic) GetBandwidthForPeer(p peer.ID) metrics.Stats {
	in, out := t.bytes(p)
	return metrics.Stats{TotalIn: in, TotalOut: out}
}

// What libp2p never asks for.

func (t *traffic) GetBandwidthForProtocol(protocol.ID) metrics.Stats     { return metrics.Stats{} }
func (t *traffic) GetBandwidthTotals() metrics.Stats                     { return metrics.Stats{} }
func (t *traffic) GetBandwidthByPeer() map[peer.ID]metrics.Stats         { return nil }
func (t *traffic) GetBandwidthByProtocol() map[protocol.ID]metrics.Stats { return nil }
func (t *traffic) Reset()                                                {}

// TrimIdle implements metrics.Reporter.
func (t *traffic) TrimIdle(time.Time) {}

// Bytes are those read from and written to the peer's streams since the host started,
// connected or not. Of an id that is none, zero.
func (h *Host) Bytes(id string) (in, out int64) {
	p, err := peer.Decode(id)
	if err != nil {
		return 0, 0
	}
	return h.traffic.bytes(p)
}
