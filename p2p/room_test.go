package p2p_test

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// Frames that never become whole hold what has come of them. All of them together are bounded, for each peer and for
// all, and who goes on with small ones, or with a large one at once, is not held up.
func TestUnfinishedFramesAreBounded(t *testing.T) {
	const size = 16 << 20
	victim := newHost(t)
	var mu sync.Mutex
	ended := map[string]int{}
	whole := make(chan int, 100)
	victim.Serve(testProto, func(s *p2p.Stream) {
		f, err := s.ReadFrame(size)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			whole <- len(f)
			return
		}
		ended[s.Peer()]++
	})
	var attackers []string
	for range 3 {
		a := newHost(t)
		connect(t, a, victim)
		attackers = append(attackers, a.ID())
		for range 5 {
			s, err := a.Open(t.Context(), victim.ID(), testProto)
			require.NoError(t, err)
			t.Cleanup(s.Reset)
			go func() { _ = p2p.WriteRaw(s, append(binary.AppendUvarint(nil, size), make([]byte, 6<<20)...)) }() // it may be cut
		}
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		n := 0
		for _, of := range ended {
			n += of
		}
		return n >= 11 // 15 frames, that have grown to 8 MiB each
	}, patience, time.Millisecond)
	total, most := victim.FrameBytes()
	require.LessOrEqual(t, total, 32<<20)
	require.LessOrEqual(t, most, 20<<20)
	for _, id := range attackers {
		require.Positive(t, victim.Conduct(id).Refusals[p2p.RefusedFrames])
	}
	honest := newHost(t)
	connect(t, honest, victim)
	for _, n := range []int{100, 1 << 20, size} {
		s, err := honest.Open(t.Context(), victim.ID(), testProto)
		require.NoError(t, err)
		require.NoError(t, s.WriteFrame(make([]byte, n)))
		require.Equal(t, n, <-whole)
	}
	require.Zero(t, ended[honest.ID()])
	require.Empty(t, victim.Conduct(honest.ID()).Refusals)
}

// The memory is given back with the frame, however it ended.
func TestRoomForFramesIsGivenBack(t *testing.T) {
	room := p2p.NewFrameRoom()
	for i := range 100 {
		p := peer.ID(string(rune('a' + i%3)))
		cut := false
		g := room.Frame(p, func() { cut = true })
		for range 5 {
			require.NoError(t, g.Grow(1<<20))
		}
		if i%2 == 0 {
			for g.Grow(8<<20) == nil {
			}
			require.True(t, cut)
			require.ErrorIs(t, g.Grow(1), p2p.ErrFrameRoom)
		}
		g.End()
		total, most := room.Bytes()
		require.Zero(t, total)
		require.Zero(t, most)
	}
}
