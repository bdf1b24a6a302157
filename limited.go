package minikv

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
)

// A public relay ends a connection after 128 KiB or 2 minutes, and gossip does not run over one. So with peers
// reached in no other way there is an exchange after each write. One that the relay cuts off leaves what
// it brought, and the next one, over the next connection, goes on from there.
const (
	// limitedDelay is how long writes gather before such an exchange, and limitedEvery the least time between
	// two: a single write is at a peer within about half a second, and a steady stream of writes uses
	// the connection's bytes for the writes rather than for the exchanges around them.
	limitedDelay = 200 * time.Millisecond
	limitedEvery = 2 * time.Second
	// limitedFrame is how many bytes of entries are lost at most when a relay cuts the connection.
	limitedFrame = 8 << 10
	// limitedEntry is the largest entry in bytes that is sent: a larger one might not arrive before the cut, now
	// or ever. It waits for a better connection.
	limitedEntry = 64 << 10
)

// fit makes a session suit the connection of its stream.
func fit(session *replica.Session, stream *p2p.Stream) {
	if stream.Limited() {
		session.Limit(limitedFrame, limitedEntry)
	}
}

// levelOf is how loud to tell of a failed exchange: over a limited connection that is how most of them end.
func (l *link) levelOf(peer string) slog.Level {
	if slices.Contains(l.now().topic.Limited(), peer) {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// noteNews says that an entry has changed. The registry is locked, so it must not block.
func (l *link) noteNews() {
	if l != nil && l.slow.Load() {
		rouse(l.news)
	}
}

// callLimited opens exchanges with limited peers when there is news for them.
func (l *link) callLimited(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.news:
		}
		if !wait(ctx, limitedDelay) {
			return
		}
		peers := l.now().topic.Limited()
		if len(peers) == 0 {
			continue
		}
		drain(l.news)
		l.call(peers)
		if !wait(ctx, limitedEvery-limitedDelay) {
			return
		}
	}
}

// call asks for an exchange with each of the peers.
func (l *link) call(peers []string) {
	at := l.r.node.instant()
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if l.r.err != nil {
		return
	}
	for _, p := range peers {
		l.r.rep.Call(at, p)
	}
	l.r.scheduleTick(at)
}

// wait waits for d; false when ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}
