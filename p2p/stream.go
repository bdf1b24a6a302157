package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	// openTimeout bounds Open when its context has no deadline.
	openTimeout = 10 * time.Second
	// smallFrame is up to where a frame is copied behind its length, to leave in
	// one write.
	smallFrame = 16 << 10
)

// Stream is an ordered, reliable, flow-controlled pipe to one peer that carries
// frames. One goroutine may read while another writes; otherwise it is not safe for
// concurrent use, but for SetDeadline, Close, Reset and Bytes, which are.
//
// A stream holds resources at both ends until Close or Reset.
//
// Every wait for a byte ends after Config.StreamIdle in which nothing came and
// nothing could be sent, or at the deadline if that is earlier, with an error for which os.ErrDeadlineExceeded holds.
type Stream struct {
	s        network.Stream
	r        *bufio.Reader
	out      []byte
	idle     time.Duration
	room     *frameRoom
	deadline atomic.Pointer[time.Time]
	in, sent atomic.Int64
	failed   atomic.Bool // a call failed: the peer must not take the end for a clean one
}

func (h *Host) newStream(s network.Stream) *Stream {
	st := &Stream{s: s, idle: h.cfg.StreamIdle, room: h.room}
	st.r = bufio.NewReaderSize((*streamReader)(st), 4<<10)
	return st
}

// Open opens a stream for the protocol to a connected peer. It does not dial: for
// a peer without connection the error is ErrNotConnected. Without a deadline in ctx,
// opening is given up after 10 s; ctx has no say over the stream once open.
func (h *Host) Open(ctx context.Context, id, proto string) (*Stream, error) {
	p, err := peer.Decode(id)
	if err != nil {
		return nil, fmt.Errorf("p2p: peer id %q: %w", id, err)
	}
	if h.isClosed() {
		return nil, ErrClosed
	}
	if h.host.Network().Connectedness(p) == network.NotConnected {
		return nil, fmt.Errorf("%w: %s; name its address with Connect", ErrNotConnected, id)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, openTimeout)
		defer cancel()
	}
	ctx = network.WithAllowLimitedConn(network.WithNoDial(ctx, proto), proto)
	s, err := h.host.NewStream(ctx, p, protocol.ID(proto))
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // transports name it differently
		}
		return nil, fmt.Errorf("p2p: opening %s to %s: %w", proto, id, err)
	}
	return h.newStream(s), nil
}

// Peer is the remote peer's id.
func (s *Stream) Peer() string { return s.s.Conn().RemotePeer().String() }

// Limited reports whether the stream runs over a relay that bounds bytes and time.
func (s *Stream) Limited() bool { return s.s.Conn().Stat().Limited }

// Protocol is the protocol the stream was opened for.
func (s *Stream) Protocol() string { return string(s.s.Protocol()) }

// ReadFrame reads the next frame; the caller owns it. A frame announced with more
// than max bytes is refused with ErrFrameTooLarge before memory is spent on it,
// after which the stream is of no more use: Reset it. The same goes for ErrFrameRoom, by which unfinished frames are kept
// to 20 MiB for each peer and 32 MiB for all, beyond the first 64 KiB of each; the costliest one, in bytes times time, goes. When the peer has closed
// its side cleanly the error is io.EOF.
func (s *Stream) ReadFrame(max int) ([]byte, error) {
	g := s.room.frame(s.s.Conn().RemotePeer(), s.Reset)
	defer g.end()
	frame, err := readFrame(s.r, min(max, maxFrame), g.grow)
	if err != nil && err != io.EOF {
		s.failed.Store(true)
	}
	return frame, err
}

// WriteFrame writes a frame. It keeps no reference to it.
func (s *Stream) WriteFrame(frame []byte) error {
	s.out = appendLength(s.out[:0], len(frame))
	if len(frame) <= smallFrame {
		s.out = append(s.out, frame...)
		return s.write(s.out)
	}
	s.out = append(s.out, frame[:smallFrame]...)
	if err := s.write(s.out); err != nil {
		return err
	}
	return s.write(frame[smallFrame:])
}

// write writes b in pieces, so that the idle limit holds for each of them: a slow
// peer may take long over a large frame, a stalled one may not.
func (s *Stream) write(b []byte) error {
	for len(b) > 0 {
		if err := s.s.SetWriteDeadline(s.limit()); err != nil {
			s.failed.Store(true)
			return err
		}
		n, err := s.s.Write(b[:min(len(b), frameChunk)])
		s.sent.Add(int64(n))
		if err != nil {
			s.failed.Store(true)
			return stalled(err)
		}
		b = b[n:]
		// A peer that takes what is sent does not stall, though it says nothing.
		_ = s.s.SetReadDeadline(s.limit()) // a stream that is gone tells the reader itself
	}
	return nil
}

// limit is when the next wait ends.
func (s *Stream) limit() time.Time {
	limit := time.Now().Add(s.idle)
	if d := s.deadline.Load(); d != nil && d.Before(limit) {
		return *d
	}
	return limit
}

// SetDeadline ends all waits, present and future, at t. The zero time: none but
// the idle limit.
func (s *Stream) SetDeadline(t time.Time) {
	if t.IsZero() {
		s.deadline.Store(nil)
		return
	}
	s.deadline.Store(&t)
	// A call that waits now must see it. Failing means the stream is gone, which
	// that call learns by itself.
	_ = s.s.SetDeadline(s.limit())
}

// CloseWrite ends this side's frames: the peer's ReadFrame returns io.EOF. Frames
// can still be read.
func (s *Stream) CloseWrite() error { return s.s.CloseWrite() }

// Close ends both directions; what was written still arrives. After a call on the
// stream has failed, but for io.EOF, it is Reset.
func (s *Stream) Close() error {
	if s.failed.Load() {
		return s.s.Reset()
	}
	return s.s.Close()
}

// Reset ends both directions at once; the peer's calls fail.
func (s *Stream) Reset() { _ = s.s.Reset() }

// Bytes are the bytes read from and written to the stream so far, with length
// prefixes, without the transport's own overhead.
func (s *Stream) Bytes() (in, out int64) { return s.in.Load(), s.sent.Load() }

// streamReader counts what is read and applies the limits.
type streamReader Stream

func (r *streamReader) Read(p []byte) (int, error) {
	s := (*Stream)(r)
	if err := s.s.SetReadDeadline(s.limit()); err != nil {
		return 0, err
	}
	n, err := s.s.Read(p)
	s.in.Add(int64(n))
	return n, stalled(err)
}

// stalled gives a time-out the same name on all transports.
func stalled(err error) error {
	var t net.Error
	if errors.As(err, &t) && t.Timeout() && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	}
	return err
}
