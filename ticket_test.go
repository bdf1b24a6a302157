package minikv_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// founder opens a node with a private registry of its own.
func founder(t testing.TB, cfg minikv.Config) *minikv.Registry {
	t.Helper()
	r, err := online(t, cfg).Registry(context.Background(), "test")
	require.NoError(t, err)
	return r
}

func ticketOf(t testing.TB, r *minikv.Registry, o minikv.TicketOptions) string {
	t.Helper()
	text, err := r.Ticket(context.Background(), o)
	require.NoError(t, err)
	return text
}

func join(t testing.TB, n *minikv.Node, ticket string, opts ...minikv.JoinOption) *minikv.Registry {
	t.Helper()
	r, err := n.Join(context.Background(), ticket, opts...)
	require.NoError(t, err)
	return r
}

// joined opens another node that joins by a fresh ticket, and has synced.
func joined(t testing.TB, r *minikv.Registry, o minikv.TicketOptions) *minikv.Registry {
	t.Helper()
	j := join(t, online(t, minikv.Config{}), ticketOf(t, r, o))
	require.NoError(t, j.WaitSynced(within(t), 1))
	return j
}

var (
	writeTicket = minikv.TicketOptions{Rights: minikv.RightsWrite}
	readTicket  = minikv.TicketOptions{Rights: minikv.RightsRead}
	ownerTicket = minikv.TicketOptions{Rights: minikv.RightsOwner}
)

func eventually(t testing.TB, r *minikv.Registry, key, want string) {
	t.Helper()
	require.Eventually(t, func() bool { return value(t, r, key) == want }, patience, time.Millisecond, "%s=%s", key, want)
}

func TestTwoNodesShareByTicket(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "before", "1")
	b := joined(t, a, writeTicket)
	require.Equal(t, "1", value(t, b, "before"))
	put(t, b, "after", "2")
	eventually(t, a, "after", "2")
	put(t, a, "gossip", "3")
	eventually(t, b, "gossip", "3")
	requireEqual(t, a, b)
	require.Equal(t, minikv.Access{Rights: minikv.RightsOwner}, a.Access())
	require.Equal(t, minikv.Access{Rights: minikv.RightsWrite}, b.Access())
	stats, err := b.SyncPeer(within(t), a.Node().ID())
	require.NoError(t, err)
	t.Logf("an idle session: %d bytes", stats.BytesIn+stats.BytesOut)
	require.Less(t, stats.BytesIn+stats.BytesOut, int64(600))
	require.Equal(t, 1, stats.Rounds)
}

func TestAReaderReads(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "before", "1")
	r := joined(t, a, readTicket)
	require.Equal(t, "1", value(t, r, "before"))
	put(t, a, "gossip", "2")
	eventually(t, r, "gossip", "2")
	require.NoError(t, a.Delete(context.Background(), "before"))
	eventually(t, r, "before", "")

	ctx := context.Background()
	_, err := r.Put(ctx, "k", nil)
	require.ErrorIs(t, err, minikv.ErrReadOnly)
	require.ErrorContains(t, err, "read ticket")
	require.ErrorIs(t, r.Delete(ctx, "gossip"), minikv.ErrReadOnly)
	_, err = r.TryLock(ctx, "gossip")
	require.ErrorIs(t, err, minikv.ErrReadOnly)
	b := r.NewBatch()
	b.Put("k", nil)
	_, err = b.Commit(ctx)
	require.ErrorIs(t, err, minikv.ErrReadOnly)
	_, err = r.Ticket(ctx, readTicket)
	require.ErrorIs(t, err, minikv.ErrNotOwner)
	require.ErrorIs(t, r.Rotate(ctx), minikv.ErrNotOwner)

	_, err = r.SyncPeer(within(t), a.Node().ID())
	require.NoError(t, err)
	requireEqual(t, a, r)
}

func TestReadersGetNothingFromReaders(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	r := joined(t, a, readTicket)
	ticket := ticketOf(t, a, minikv.TicketOptions{Addrs: r.Node().Addrs()})
	require.NoError(t, a.Node().Close())
	s := join(t, online(t, minikv.Config{}), ticket)
	connect(t, s.Node(), r.Node())
	require.Eventually(t, func() bool {
		_, err := s.SyncPeer(within(t), r.Node().ID())
		return err != nil && strings.Contains(err.Error(), "may both only read")
	}, patience, 10*time.Millisecond)
	require.Empty(t, value(t, s, "k"))
}

func TestAWriteTicketMakesNoTickets(t *testing.T) {
	a := founder(t, minikv.Config{})
	w := joined(t, a, writeTicket)
	_, err := w.Ticket(context.Background(), readTicket)
	require.ErrorIs(t, err, minikv.ErrNotOwner)
	o := joined(t, a, ownerTicket)
	put(t, a, "k", "v")
	r := joined(t, o, readTicket)
	eventually(t, r, "k", "v")
}

func TestOutsidersLearnNothing(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	for name, open := range map[string]func(n *minikv.Node) *minikv.Registry{
		"no ticket": func(n *minikv.Node) *minikv.Registry {
			r, err := n.Registry(context.Background(), "test")
			require.NoError(t, err)
			return r
		},
		"public": func(n *minikv.Node) *minikv.Registry { return openRegistry(t, n, "test") },
		"a ticket of another": func(n *minikv.Node) *minikv.Registry {
			return join(t, n, ticketOf(t, founder(t, minikv.Config{}), writeTicket))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := online(t, minikv.Config{})
			r := open(n)
			connect(t, n, a.Node())
			_, err := r.SyncPeer(within(t), a.Node().ID())
			require.ErrorIs(t, err, minikv.ErrNoPeer)
			require.Empty(t, value(t, r, "k"))
		})
	}
}

func TestRightsEnd(t *testing.T) {
	a := founder(t, minikv.Config{MaxClockSkew: time.Millisecond})
	ticket := ticketOf(t, a, minikv.TicketOptions{Rights: minikv.RightsWrite, TTL: 2 * time.Second})
	b := join(t, online(t, minikv.Config{MaxClockSkew: time.Millisecond}), ticket)
	require.NoError(t, b.WaitSynced(within(t), 1))
	put(t, b, "in time", "1")
	eventually(t, a, "in time", "1")
	require.Eventually(t, func() bool {
		_, err := b.Put(context.Background(), "late", nil)
		return err != nil
	}, patience, 10*time.Millisecond)
	_, err := b.Put(context.Background(), "late", nil)
	require.ErrorIs(t, err, minikv.ErrReadOnly)
	require.ErrorContains(t, err, "expired")
	require.Eventually(t, func() bool {
		_, err := a.SyncPeer(within(t), b.Node().ID())
		return err != nil && strings.Contains(err.Error(), "expired")
	}, patience, 10*time.Millisecond)
	_, err = b.SyncPeer(within(t), a.Node().ID())
	require.ErrorContains(t, err, "expired")
	_, err = online(t, minikv.Config{}).Join(context.Background(), ticket)
	require.ErrorIs(t, err, minikv.ErrTicket)
	require.ErrorContains(t, err, "expired")

	join(t, b.Node(), ticketOf(t, a, writeTicket)) // a new one revives it
	put(t, b, "again", "2")
	eventually(t, a, "again", "2")
}

func TestRotationEndsAllTickets(t *testing.T) {
	a := founder(t, minikv.Config{})
	old := ticketOf(t, a, writeTicket)
	b, gone := joined(t, a, writeTicket), joined(t, a, writeTicket)
	put(t, a, "k", "v")
	eventually(t, b, "k", "v")
	require.NoError(t, a.Rotate(context.Background()))
	put(t, a, "secret", "1")
	require.Equal(t, "v", value(t, a, "k"), "the data stays")

	ticket := ticketOf(t, a, writeTicket)
	_, err := b.Node().Join(context.Background(), ticket)
	require.ErrorIs(t, err, minikv.ErrTicket, "other keys")
	require.Same(t, b, join(t, b.Node(), ticket, minikv.Replace()))
	eventually(t, b, "secret", "1")
	put(t, b, "back", "2")
	eventually(t, a, "back", "2")

	_, err = gone.SyncPeer(within(t), a.Node().ID())
	require.Error(t, err)
	late := join(t, online(t, minikv.Config{}), old)
	connect(t, late.Node(), a.Node())
	_, err = late.SyncPeer(within(t), a.Node().ID())
	require.Error(t, err)
	for _, r := range []*minikv.Registry{gone, late} {
		require.Empty(t, value(t, r, "secret"))
	}
	put(t, gone, "not any more", "x")
	put(t, b, "marker", "3")
	eventually(t, a, "marker", "3")
	require.Empty(t, value(t, a, "not any more"))
}

func TestParseTicketTellsNoSecret(t *testing.T) {
	a := founder(t, minikv.Config{})
	until := time.Now().Add(24 * time.Hour)
	info, err := minikv.ParseTicket(" «" + strings.ToUpper(ticketOf(t, a, minikv.TicketOptions{Rights: minikv.RightsWrite, Expires: until})) + "»\n")
	require.NoError(t, err)
	require.Equal(t, minikv.TicketInfo{Registry: "test", Rights: minikv.RightsWrite, Expires: until.Truncate(time.Second).UTC(), Addrs: a.Node().Addrs()}, info)
	for text, want := range map[string]string{
		"":                               "no ticket",
		"hello":                          "no ticket",
		"minikv1aaaa":                    "damaged",
		ticketOf(t, a, readTicket)[:200]: "damaged",
	} {
		_, err := minikv.ParseTicket(text)
		require.ErrorIs(t, err, minikv.ErrTicket)
		require.ErrorContains(t, err, want)
	}
}

func TestTicketOptionsAreChecked(t *testing.T) {
	ctx := context.Background()
	a := founder(t, minikv.Config{})
	for name, o := range map[string]minikv.TicketOptions{
		"rights":           {Rights: 4},
		"both":             {TTL: time.Hour, Expires: time.Now().Add(time.Hour)},
		"short":            {TTL: time.Millisecond},
		"negative":         {TTL: -time.Hour},
		"past":             {Expires: time.Now().Add(-time.Hour)},
		"owner's":          {Rights: minikv.RightsOwner, TTL: time.Hour},
		"no address":       {Addrs: []string{"here"}},
		"far in the years": {Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := a.Ticket(ctx, o)
		require.ErrorIs(t, err, minikv.ErrInvalid, name)
	}
	_, err := openRegistry(t, a.Node(), "public").Ticket(ctx, readTicket)
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = a.Node().Join(ctx, ticketOf(t, a, readTicket), nil)
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.NoError(t, a.Node().Close())
	_, err = a.Ticket(ctx, readTicket)
	require.ErrorIs(t, err, minikv.ErrClosed)
}

func TestLookupFindsOpenRegistries(t *testing.T) {
	a := founder(t, minikv.Config{})
	r, ok := a.Node().Lookup("test")
	require.True(t, ok)
	require.Same(t, a, r)
	_, ok = a.Node().Lookup("other")
	require.False(t, ok)
}

// Who has the secret of a ticket that expired could still read what is gossiped: so it is gossiped to him no more.
func TestGossipEndsWithTheTicket(t *testing.T) {
	var ahead atomic.Int64
	cfg := minikv.Config{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	a := founder(t, cfg)
	b := join(t, online(t, cfg), ticketOf(t, a, writeTicket))
	gone := join(t, online(t, cfg), ticketOf(t, a, minikv.TicketOptions{Rights: minikv.RightsWrite, TTL: time.Hour}))
	connect(t, gone.Node(), a.Node())
	connect(t, gone.Node(), b.Node())
	connect(t, b.Node(), a.Node())
	for _, r := range []*minikv.Registry{b, gone} {
		require.NoError(t, r.WaitSynced(within(t), 1))
	}
	i := 0
	require.Eventually(t, func() bool {
		i++
		put(t, a, "before", fmt.Sprint(i))
		return gone.Metrics().GossipIn > 0
	}, patience, 10*time.Millisecond)
	requireEqual(t, a, b, gone)

	ahead.Store(int64(2 * time.Hour))
	put(t, a, "marker", "1")
	eventually(t, b, "marker", "1")
	for i := range 20 {
		put(t, a, "after", fmt.Sprint(i))
		put(t, b, "after too", fmt.Sprint(i))
	}
	eventually(t, b, "after", "19")
	eventually(t, a, "after too", "19")
	require.Empty(t, value(t, gone, "after"))
	require.Empty(t, value(t, gone, "after too"))
}
