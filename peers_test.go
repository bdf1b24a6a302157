package minikv_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestSyncPeer(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	put(t, a, "k", "v")
	stats, err := a.Node().SyncPeer(within(t), b.Node().ID())
	require.NoError(t, err)
	require.Equal(t, "v", value(t, b, "k"))
	require.Positive(t, stats.Rounds)
	require.Positive(t, stats.BytesIn)
	require.Positive(t, stats.BytesOut)
	require.Positive(t, stats.Took)

	stats, err = b.SyncPeer(within(t), a.Node().ID())
	require.NoError(t, err)
	require.Zero(t, stats.Sent+stats.Received)
	require.LessOrEqual(t, stats.BytesIn+stats.BytesOut, int64(120), "when there is nothing to do")
	_, err = a.SyncPeer(within(t), "nobody")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = a.Node().SyncPeer(within(t), "nobody")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = a.Node().SyncPeer(within(t), openNode(t, minikv.Config{}).ID())
	require.ErrorIs(t, err, minikv.ErrNoPeer)
	require.ErrorIs(t, a.Node().Disconnect(ctx, "nobody"), minikv.ErrInvalid)
	only := openRegistry(t, a.Node(), "only here")
	_, err = only.SyncPeer(within(t), b.Node().ID())
	require.ErrorIs(t, err, minikv.ErrNoPeer)

	disconnect(t, a.Node(), b.Node())
	_, err = a.SyncPeer(within(t), b.Node().ID())
	require.ErrorIs(t, err, minikv.ErrNoPeer)
	require.ErrorIs(t, a.Node().Disconnect(within(t), b.Node().ID()), minikv.ErrNoPeer)
}

func TestPeers(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0].Node(), regs[1].Node()
	require.Eventually(t, func() bool { // an exchange may be over before gossip says that the peer has joined
		return len(a.Peers()) == 1 && len(a.Peers()[0].Registries) > 0
	}, patience, time.Millisecond)
	peers := a.Peers()
	require.Len(t, peers, 1)
	p := peers[0]
	require.Equal(t, b.ID(), p.ID)
	require.True(t, p.Connected)
	require.Equal(t, "tcp", p.Transport)
	require.Equal(t, []string{"test"}, p.Registries)
	require.False(t, p.LastSync.IsZero())
	require.Less(t, p.ClockSkew.Abs(), time.Minute)
	require.Equal(t, minikv.PathDirect, p.Path)
	require.False(t, p.Limited)
	require.Positive(t, p.BytesIn)
	require.Positive(t, p.BytesOut)
	require.Zero(t, p.Score)
	require.Empty(t, p.Refusals)
	require.NotNil(t, p.Refusals)
	require.Zero(t, p.BannedUntil)
	m := a.Metrics()
	require.Equal(t, 1, m.PeersConnected)
	require.Positive(t, m.Syncs)

	disconnect(t, a, b)
	peers = a.Peers()
	require.Len(t, peers, 1, "one that was here is remembered")
	require.False(t, peers[0].Connected)
	require.Empty(t, openNode(t, minikv.Config{}).Peers())
}

func TestWaitSyncedGivesUp(t *testing.T) {
	regs := mesh(t, 2)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	err := regs[0].WaitSynced(short, 2)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "synced with 1 of 2 peers")
	require.ErrorIs(t, regs[0].Node().WaitSynced(short, 2), context.DeadlineExceeded)
	require.NoError(t, regs[0].Node().WaitSynced(ctx, 1))
	failed := make(chan error)
	go func() { failed <- regs[0].WaitSynced(ctx, 2) }()
	require.NoError(t, regs[0].Node().Close())
	require.ErrorIs(t, <-failed, minikv.ErrClosed)
}

func TestConnectFails(t *testing.T) {
	n := online(t, minikv.Config{})
	_, err := n.Connect(within(t), "not an address")
	require.ErrorContains(t, err, "minikv: connect: ")
	_, err = n.Connect(within(t), "/ip4/127.0.0.1/tcp/1/p2p/"+string(openNode(t, minikv.Config{}).ID()))
	require.Error(t, err)
}

func TestBootstrapConnectsByItself(t *testing.T) {
	a := online(t, minikv.Config{})
	ra := openRegistry(t, a, "test")
	put(t, ra, "k", "v")
	b := openNode(t, minikv.Config{Bootstrap: a.Addrs()}) // dials and listens nowhere
	rb := openRegistry(t, b, "test")
	require.NoError(t, b.WaitSynced(within(t), 1))
	require.Equal(t, "v", value(t, rb, "k"))
	require.Empty(t, b.Addrs())
}

// A third node that knows only one of two gets what the other writes.
func TestWritesTravelThroughOthers(t *testing.T) {
	var regs []*minikv.Registry
	for i := range 3 {
		regs = append(regs, openRegistry(t, online(t, minikv.Config{SyncInterval: 200 * time.Millisecond}), "test"))
		if i > 0 {
			connect(t, regs[i].Node(), regs[i-1].Node())
		}
	}
	for i, r := range regs {
		put(t, r, fmt.Sprint(i), "v")
	}
	requireEqual(t, regs...)
	require.Equal(t, []string{"0", "1", "2"}, keysOf(t, regs[2], ""))
	e, err := regs[2].Get(ctx, "0")
	require.NoError(t, err)
	require.Equal(t, regs[0].Node().ID(), e.Writer)
}

func TestRegistriesAreApart(t *testing.T) {
	a, b := online(t, minikv.Config{}), online(t, minikv.Config{})
	both := []*minikv.Registry{openRegistry(t, a, "both"), openRegistry(t, b, "both")}
	onlyA := openRegistry(t, a, "left")
	onlyB := openRegistry(t, b, "right")
	connect(t, a, b)
	put(t, onlyA, "k", "secret")
	put(t, both[0], "k", "shared")
	require.Eventually(t, func() bool { return value(t, both[1], "k") == "shared" }, patience, time.Millisecond)
	require.Empty(t, keysOf(t, onlyB, ""))
	late := openRegistry(t, b, "left")
	require.Eventually(t, func() bool { return value(t, late, "k") == "secret" }, patience, time.Millisecond)

	require.NoError(t, b.DropRegistry(ctx, "left"))
	put(t, onlyA, "k", "changed")
	late = openRegistry(t, b, "left")
	require.Eventually(t, func() bool { return value(t, late, "k") == "changed" }, patience, time.Millisecond)
}

// What expires and what is deleted goes on all nodes, also where the value is too large to be flooded.
func TestLargeValuesExpiriesAndDeletes(t *testing.T) {
	regs := mesh(t, 2)
	a, b := regs[0], regs[1]
	large := make([]byte, 1<<20)
	_, err := a.Put(ctx, "large", large)
	require.NoError(t, err)
	put(t, a, "short", "v", minikv.TTL(300*time.Millisecond))
	put(t, a, "gone", "v")
	require.Eventually(t, func() bool { return len(value(t, b, "large")) == len(large) }, patience, time.Millisecond)
	f := follow(t, b, "", minikv.UpdatesOnly())
	f.expect("synced")
	require.NoError(t, a.Delete(ctx, "gone"))
	require.Eventually(t, func() bool { return len(keysOf(t, b, "")) == 1 }, patience, time.Millisecond)
	requireEqual(t, regs...)
	require.Eventually(t, func() bool { return b.Metrics().Keys == 1 }, patience, time.Millisecond)
	m := b.Metrics()
	require.EqualValues(t, 1, m.Tombstones)
	require.Positive(t, m.Merged)
	require.Positive(t, m.GossipIn)
}

// A node whose clock is far ahead is refused, and the refusal is told and counted.
func TestClockAheadIsRefused(t *testing.T) {
	a := openRegistry(t, online(t, minikv.Config{}), "test")
	log := &safeBuffer{}
	b := openRegistry(t, online(t, minikv.Config{
		Clock: func() time.Time { return time.Now().Add(time.Hour) }, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}), "test")
	connect(t, a.Node(), b.Node())
	require.Eventually(t, func() bool { return a.Metrics().PeersConnected == 1 && b.Metrics().PeersConnected == 1 }, patience, time.Millisecond)
	// Gossip goes only to who has proved to be a member, and what was written before that comes by exchange, which these
	// clocks do not allow: hence each is written until it is noticed.
	require.Eventually(t, func() bool { put(t, b, "from the future", "v"); return a.Metrics().Refused > 0 }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { put(t, a, "good", "v"); return value(t, b, "good") == "v" }, patience, 10*time.Millisecond)
	require.Empty(t, value(t, a, "from the future"))
	_, err := b.SyncPeer(within(t), a.Node().ID())
	require.ErrorIs(t, err, minikv.ErrSync)
	_, err = a.SyncPeer(within(t), b.Node().ID())
	require.ErrorIs(t, err, minikv.ErrSync)
	require.ErrorIs(t, err, minikv.ErrClockSkew)
	require.Contains(t, log.String(), "clock is ahead of most of its peers")
	require.Less(t, time.Until(put(t, a, "after", "v").Time()), time.Minute, "the clock was not moved")
	require.Eventually(t, func() bool { return a.Node().Peers()[0].Refused > 0 && a.Node().Peers()[0].ClockSkew > 30*time.Minute }, patience, time.Millisecond)
	p := a.Node().Peers()[0]
	require.Equal(t, map[string]uint64{minikv.RefusedSkew: p.Refused}, p.Refusals)
	require.Zero(t, p.BannedUntil, "its clock may be this node's own fault")
	m := a.Metrics()
	require.Equal(t, m.RefusedSkew+m.RefusedBounds+m.RefusedForged+m.RefusedMalformed+m.RefusedMessages, m.Refused, "each once")
}

// The hybrid clocks of its peers follow a node that is ahead of them; it is told all the same.
func TestAClockAheadIsToldWithinTheBound(t *testing.T) {
	a := openRegistry(t, online(t, minikv.Config{}), "test")
	log := &safeBuffer{}
	const ahead = 40 * time.Second
	b := openRegistry(t, online(t, minikv.Config{
		Clock: func() time.Time { return time.Now().Add(ahead) }, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}), "test")
	put(t, a, "k", "v", minikv.TTL(30*time.Second))
	put(t, b, "from the future", "v")
	connect(t, a.Node(), b.Node())
	require.NoError(t, b.WaitSynced(within(t), 1))
	require.Eventually(t, func() bool { return value(t, a, "from the future") == "v" }, patience, time.Millisecond)
	_, err := b.SyncPeer(within(t), a.Node().ID())
	require.NoError(t, err)
	require.Equal(t, "v", value(t, a, "k"), "its time is not over here")
	require.Empty(t, value(t, b, "k"), "but there")
	ttl, ok, err := a.TTL(ctx, "k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Greater(t, ttl, 10*time.Second)
	require.InDelta(t, -ahead.Seconds(), b.Node().Peers()[0].ClockSkew.Seconds(), 5)
	require.InDelta(t, ahead.Seconds(), a.Node().Peers()[0].ClockSkew.Seconds(), 5)
	require.Contains(t, log.String(), "clock is ahead of most of its peers")
}

// safeBuffer takes a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
