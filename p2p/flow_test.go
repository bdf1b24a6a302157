package p2p_test

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

func numbered(i, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, uint64(i))
	return b
}

func TestFreeRunningPublisherLosesNothing(t *testing.T) {
	for name, tt := range map[string]struct{ size, n int }{
		"64KiB": {64 << 10, 600},
		"1KiB":  {1 << 10, 5000},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newHost(t), newHost(t)
			in := newInbox()
			ta, tb := join(t, a, "reg", newInbox().handle), join(t, b, "reg", in.handle)
			connect(t, a, b)
			meet(t, 1, ta, tb)
			for i := range tt.n {
				require.NoError(t, ta.Publish(t.Context(), numbered(i, tt.size)))
			}
			for i, m := range in.wait(t, tt.n) {
				require.Equal(t, uint64(i), binary.BigEndian.Uint64(m.Data))
			}
			require.Zero(t, ta.Stats().Dropped)
			require.Zero(t, tb.Stats().Dropped)
		})
	}
}

func TestSlowHandlerHoldsUpThePublisherAndLosesNothing(t *testing.T) {
	const size, n = 64 << 10, 800 // 50 MiB, more than all queues on the way hold
	a, b := newHost(t), newHost(t)
	in := newInbox()
	open := make(chan struct{})
	ta := join(t, a, "reg", newInbox().handle)
	tb := join(t, b, "reg", func(m p2p.Message) p2p.Verdict {
		<-open
		return in.handle(m)
	})
	connect(t, a, b)
	meet(t, 1, ta, tb)
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		for i := range n {
			if err := ta.Publish(context.Background(), numbered(i, size)); err != nil {
				done <- err
				return
			}
			sent.Add(1)
		}
		done <- nil
	}()
	// Nothing is handled, so the publisher comes to a halt.
	halted := func() bool {
		before := sent.Load()
		select {
		case <-done:
			require.FailNow(t, "the publisher was not held up")
		case <-time.After(300 * time.Millisecond):
		}
		return before > 0 && sent.Load() == before
	}
	require.Eventually(t, halted, patience, time.Millisecond)
	require.Less(t, sent.Load()*size, int64(40<<20))
	close(open)
	require.NoError(t, <-done)
	in.wait(t, n)
	require.Zero(t, ta.Stats().Dropped)
	require.Zero(t, tb.Stats().Dropped)
}

func TestFrozenPeerHoldsPublishUpToItsContext(t *testing.T) {
	h := newHost(t)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	tp := join(t, h, "reg", newInbox().handle)
	newRawPeer(t, h, "reg", func(s network.Stream) { <-stop })
	require.Eventually(t, func() bool { return len(tp.Peers()) == 1 }, patience, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var err error
	sent := 0
	for ; err == nil && sent < 1000; sent++ {
		err = tp.Publish(ctx, numbered(sent, 64<<10))
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
	// What the transport buffers comes on top of the queue.
	require.Less(t, sent<<16, p2p.FullBytes+(20<<20))
}

func TestFrozenPeerDoesNotHoldUpOthersForLong(t *testing.T) {
	const size, n = 64 << 10, 1200 // 75 MiB
	a, b := newHost(t), newHost(t)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	in := newInbox()
	ta, tb := join(t, a, "reg", newInbox().handle), join(t, b, "reg", in.handle)
	connect(t, a, b)
	meet(t, 1, ta, tb)
	newRawPeer(t, a, "reg", func(s network.Stream) { <-stop })
	require.Eventually(t, func() bool { return len(ta.Peers()) == 2 }, patience, time.Millisecond)
	waited := time.Duration(0)
	for i := range n {
		begun := time.Now()
		require.NoError(t, ta.Publish(t.Context(), numbered(i, size)))
		waited = max(waited, time.Since(begun))
	}
	in.wait(t, n)
	for _, p := range ta.Peers() {
		require.Less(t, p2p.QueuedFor(a, p), p2p.CapBytes+(2<<20), "memory is bounded")
	}
	require.Greater(t, waited, 900*time.Millisecond, "the frozen peer was never waited for: the test tests nothing")
	require.Less(t, waited, 5*time.Second)
}
