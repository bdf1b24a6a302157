package p2p

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// streamTable counts the inbound streams of each peer that are being handled.
type streamTable struct {
	h       *Host
	mu      sync.Mutex
	open    map[peer.ID]int
	refused uint64
}

func newStreamTable(h *Host) *streamTable {
	return &streamTable{h: h, open: make(map[peer.ID]int)}
}

func (t *streamTable) enter(p peer.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[p] >= t.h.cfg.MaxStreams {
		t.refused++
		return false
	}
	t.open[p]++
	return true
}

func (t *streamTable) leave(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[p]--; t.open[p] == 0 {
		delete(t.open, p)
	}
}

// Serve calls handle, on a goroutine of its own, for every stream that a peer opens
// for the protocol. When handle returns, the stream is closed. A peer may have
// Config.MaxStreams streams open to all handlers together; further ones are reset
// and counted. Serving a protocol again replaces its handler.
func (h *Host) Serve(proto string, handle func(s *Stream)) {
	h.host.SetStreamHandler(protocol.ID(proto), func(s network.Stream) {
		p := s.Conn().RemotePeer()
		if !h.begin() {
			_ = s.Reset()
			return
		}
		defer h.wg.Done()
		if !h.streams.enter(p) {
			h.log.Debug("stream refused: peer has too many open", "peer", p, "protocol", proto)
			h.refuse(p, RefusedStreams, 1, 0)
			_ = s.Reset()
			return
		}
		defer h.streams.leave(p)
		st := h.newStream(s)
		defer func() { _ = st.Close() }()
		handle(st)
	})
}

// Unserve stops serving the protocol. Streams being handled go on.
func (h *Host) Unserve(proto string) { h.host.RemoveStreamHandler(protocol.ID(proto)) }

// RefusedStreams is how many inbound streams were reset because their peer had too
// many open.
func (h *Host) RefusedStreams() uint64 {
	h.streams.mu.Lock()
	defer h.streams.mu.Unlock()
	return h.streams.refused
}
