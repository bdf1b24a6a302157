package p2p_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

const testProto = "/test/1"

func TestStreamEcho(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		s := openTo(t, transport, echo)
		for _, size := range []int{0, 1, 127, 128, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 1 << 20} {
			want := make([]byte, size)
			_, err := rand.Read(want)
			require.NoError(t, err)
			require.NoError(t, s.WriteFrame(want), fmt.Sprint(size))
			got, err := s.ReadFrame(1 << 20)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		require.NoError(t, s.CloseWrite())
		_, err := s.ReadFrame(1)
		require.ErrorIs(t, err, io.EOF)
		in, out := s.Bytes()
		require.Equal(t, in, out)
		require.Greater(t, in, int64(1<<20))
		require.NoError(t, s.Close())
	}
}

func TestStreamNamesPeerAndProtocol(t *testing.T) {
	a, b := pair(t, "tcp")
	seen := make(chan [2]string, 1)
	b.Serve(testProto, func(s *p2p.Stream) { seen <- [2]string{s.Peer(), s.Protocol()} })
	s, err := a.Open(t.Context(), b.ID(), testProto)
	require.NoError(t, err)
	require.NoError(t, s.WriteFrame(nil))
	require.Equal(t, [2]string{a.ID(), testProto}, <-seen)
	require.Equal(t, b.ID(), s.Peer())
	s.Reset()
}

func TestOpenErrors(t *testing.T) {
	a, b := pair(t, "tcp")
	_, err := a.Open(t.Context(), "nonsense", testProto)
	require.ErrorContains(t, err, "nonsense")
	_, err = a.Open(t.Context(), newHost(t).ID(), testProto)
	require.ErrorIs(t, err, p2p.ErrNotConnected)
	_, err = a.Open(t.Context(), b.ID(), "/not/served")
	require.ErrorContains(t, err, "/not/served")
	b.Serve(testProto, echo)
	b.Unserve(testProto)
	_, err = a.Open(t.Context(), b.ID(), testProto)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.Open(ctx, b.ID(), testProto)
	require.ErrorIs(t, err, context.Canceled)
}

func TestStalledPeerHitsTheDeadline(t *testing.T) {
	s := openTo(t, "tcp", func(s *p2p.Stream) { _, _ = s.ReadFrame(1) }) // never answers
	s.SetDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := s.ReadFrame(1)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestDeadlineEndsAReadInProgress(t *testing.T) {
	s := openTo(t, "quic", func(s *p2p.Stream) { _, _ = s.ReadFrame(1) })
	done := make(chan error, 1)
	go func() {
		_, err := s.ReadFrame(1)
		done <- err
	}()
	s.SetDeadline(time.Now())
	require.ErrorIs(t, <-done, os.ErrDeadlineExceeded)
}

func TestIdleStreamEnds(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		long := newHost(t, func(c *p2p.Config) { c.Listen = listenOn(transport) })
		short := newHost(t, func(c *p2p.Config) {
			c.Listen = listenOn(transport)
			c.StreamIdle = 50 * time.Millisecond
		})
		connect(t, short, long)
		hold := make(chan struct{})
		long.Serve(testProto, func(*p2p.Stream) { <-hold })
		s, err := short.Open(t.Context(), long.ID(), testProto)
		require.NoError(t, err)
		_, err = s.ReadFrame(1)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nothing to read")
		s.Reset()
		s, err = short.Open(t.Context(), long.ID(), testProto)
		require.NoError(t, err)
		for err == nil {
			err = s.WriteFrame(make([]byte, 1<<20))
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nobody reads")
		s.Reset()
		close(hold)

		ended := make(chan error, 1)
		short.Serve(testProto, func(s *p2p.Stream) {
			_, err := s.ReadFrame(1)
			ended <- err
		})
		s, err = long.Open(t.Context(), short.ID(), testProto)
		require.NoError(t, err)
		_, err = s.ReadFrame(1) // a stream for a known protocol opens with its first use
		require.Error(t, err)
		require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded, "a handler is not held for ever")
		require.NotErrorIs(t, err, io.EOF, "what failed does not look like a clean end")
		require.NoError(t, s.Close())
	}
}

func TestSlowPeerIsNotIdle(t *testing.T) {
	slow := func(c *p2p.Config) { c.StreamIdle = 250 * time.Millisecond }
	a, b := newHost(t, slow), newHost(t)
	b.Serve(testProto, func(s *p2p.Stream) {
		for range 6 {
			time.Sleep(100 * time.Millisecond) // the passing of time is what is tested
			if s.WriteFrame([]byte("tick")) != nil {
				return
			}
		}
	})
	connect(t, a, b)
	s, err := a.Open(t.Context(), b.ID(), testProto)
	require.NoError(t, err)
	for range 6 {
		_, err := s.ReadFrame(10)
		require.NoError(t, err)
	}
	s.Reset()
}

// rawStream opens a stream from a plain libp2p host.
func rawStream(t testing.TB, to *p2p.Host) network.Stream {
	t.Helper()
	h := plainHost(t, to)
	id, err := peer.Decode(to.ID())
	require.NoError(t, err)
	s, err := h.NewStream(t.Context(), id, testProto)
	require.NoError(t, err)
	return s
}

func plainHost(t testing.TB, to *p2p.Host) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableRelay(), libp2p.DisableMetrics())
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	info, err := peer.AddrInfoFromString(to.Addrs()[0])
	require.NoError(t, err)
	require.NoError(t, h.Connect(t.Context(), *info))
	return h
}

func TestGarbageOnTheStream(t *testing.T) {
	for name, tt := range map[string]struct {
		wire []byte
		want error
	}{
		"oversized announcement": {p2p.AppendLength(nil, 16<<20), p2p.ErrFrameTooLarge},
		"endless length":         {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, p2p.ErrFrame},
		"cut":                    {[]byte{9, 1, 2, 3}, io.ErrUnexpectedEOF},
		"http":                   {[]byte("GET / HTTP/1.1\r\n"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			got := make(chan error, 1)
			h.Serve(testProto, func(s *p2p.Stream) {
				_, err := s.ReadFrame(1 << 20)
				got <- err
				if err != nil {
					s.Reset()
				}
			})
			s := rawStream(t, h)
			_, err := s.Write(tt.wire)
			require.NoError(t, err)
			require.NoError(t, s.CloseWrite())
			if tt.want == nil { // 'G' announces 71 bytes, and fewer come
				tt.want = io.ErrUnexpectedEOF
			}
			require.ErrorIs(t, <-got, tt.want)
		})
	}
}

func TestStreamsOfOnePeerAreBounded(t *testing.T) {
	h := newHost(t, func(c *p2p.Config) { c.MaxStreams = 3 })
	hold := make(chan struct{})
	var handled atomic.Int64
	h.Serve(testProto, func(s *p2p.Stream) {
		handled.Add(1)
		<-hold
	})
	greedy, modest := newHost(t), newHost(t)
	connect(t, greedy, h)
	connect(t, modest, h)
	for range 10 {
		s, err := greedy.Open(t.Context(), h.ID(), testProto)
		require.NoError(t, err)
		t.Cleanup(s.Reset)
		_ = s.WriteFrame(nil) // a refused stream may be reset by now
	}
	eventually(t, func() bool { return h.RefusedStreams() == 7 }, "not refused")
	s, err := modest.Open(t.Context(), h.ID(), testProto)
	require.NoError(t, err)
	t.Cleanup(s.Reset)
	require.NoError(t, s.WriteFrame(nil))
	eventually(t, func() bool { return handled.Load() == 4 }, "another peer is not affected")
	close(hold)
	// Ended streams make room.
	eventually(t, func() bool {
		s, err := greedy.Open(t.Context(), h.ID(), testProto)
		require.NoError(t, err)
		defer s.Reset()
		_ = s.WriteFrame(nil)
		_, _ = s.ReadFrame(1)
		return handled.Load() > 4
	}, "no room again")
}

func TestAPeerThatOnlyTakesIsNotIdle(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		on := func(c *p2p.Config) { c.Listen = listenOn(transport) }
		a := newHost(t, on, func(c *p2p.Config) { c.StreamIdle = 250 * time.Millisecond })
		b := newHost(t, on)
		b.Serve(testProto, func(s *p2p.Stream) {
			for {
				if _, err := s.ReadFrame(16); err != nil {
					break
				}
			}
			_ = s.WriteFrame([]byte("done"))
			_ = s.Close()
		})
		connect(t, a, b)
		s, err := a.Open(t.Context(), b.ID(), testProto)
		require.NoError(t, err)
		answer := make(chan error, 1)
		go func() {
			_, err := s.ReadFrame(16)
			answer <- err
		}()
		for range 6 {
			time.Sleep(100 * time.Millisecond) // the passing of time is what is tested
			require.NoError(t, s.WriteFrame([]byte("tick")))
		}
		require.NoError(t, s.CloseWrite())
		require.NoError(t, <-answer, transport)
		s.Reset()
	}
}
