package p2p_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

func TestBansOutlastTheHost(t *testing.T) {
	kept := make(chan []p2p.Ban, 8)
	b := newHost(t)
	a, err := p2p.New(t.Context(), p2p.Config{KeepBans: func(bans []p2p.Ban) { kept <- bans }})
	require.NoError(t, err)
	a.Refuse(b.ID(), "forged", 1, 100)
	bans := <-kept // at once
	require.NoError(t, a.Close())
	require.Len(t, bans, 1)
	require.Equal(t, b.ID(), bans[0].Peer)
	require.Equal(t, 1, bans[0].Count)
	require.Equal(t, "forged", bans[0].Last)

	again := func(change func(*p2p.Ban)) *p2p.Host {
		ban := bans[0]
		change(&ban)
		h, err := p2p.New(t.Context(), p2p.Config{Bans: []p2p.Ban{ban, {Peer: "nonsense", Until: ban.Until}}})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, h.Close()) })
		return h
	}
	a = again(func(*p2p.Ban) {})
	require.Equal(t, []string{b.ID()}, a.Banned())
	require.WithinDuration(t, bans[0].Until, a.Conduct(b.ID()).BannedUntil, time.Second)
	require.Empty(t, again(func(ban *p2p.Ban) { ban.Until = time.Now() }).Banned(), "it is over")

	a = again(func(ban *p2p.Ban) { ban.Until = time.Now().AddDate(900, 0, 0) })
	require.WithinDuration(t, time.Now().Add(10*time.Minute), a.Conduct(b.ID()).BannedUntil, time.Minute, "no longer than a new one")
	a = again(func(ban *p2p.Ban) { ban.Until, ban.Count = time.Now().AddDate(900, 0, 0), math.MaxInt })
	require.WithinDuration(t, time.Now().Add(24*time.Hour), a.Conduct(b.ID()).BannedUntil, time.Minute)
}
