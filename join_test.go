package minikv_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestABetterTicketForTheSameKeysIsTakenOver(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	r := joined(t, a, readTicket)
	require.Same(t, r, join(t, r.Node(), ticketOf(t, a, writeTicket)))
	put(t, r, "mine", "1")
	eventually(t, a, "mine", "1")
	join(t, r.Node(), ticketOf(t, a, readTicket))
	require.Equal(t, minikv.RightsWrite, r.Access().Rights, "a lesser one takes nothing away")
	join(t, a.Node(), ticketOf(t, a, readTicket))
	require.Equal(t, minikv.RightsOwner, a.Access().Rights)
}

// A ticket for a name that one has must not get its data by itself.
func TestATicketCapturesNothing(t *testing.T) {
	evil, mine := founder(t, minikv.Config{}), founder(t, minikv.Config{})
	put(t, mine, "k", "v")
	_, err := mine.Node().Join(context.Background(), ticketOf(t, evil, writeTicket))
	require.ErrorIs(t, err, minikv.ErrTicket)
	require.ErrorContains(t, err, "other keys")
	public := openRegistry(t, online(t, minikv.Config{}), "test")
	for _, opts := range [][]minikv.JoinOption{nil, {minikv.Replace()}} {
		_, err = public.Node().Join(context.Background(), ticketOf(t, evil, writeTicket), opts...)
		require.ErrorIs(t, err, minikv.ErrTicket)
		require.ErrorContains(t, err, "public")
	}
}

// The registry that a node makes for itself at its first start gives way to a ticket of the same name.
func TestABlankRegistryGivesWay(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	b := founder(t, minikv.Config{})
	require.Same(t, b, join(t, b.Node(), ticketOf(t, a, writeTicket)))
	eventually(t, b, "k", "v")

	dir := t.TempDir()
	cfg := minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	n := openIn(t, dir, cfg)
	c, err := n.Registry(context.Background(), "test")
	require.NoError(t, err)
	ticketOf(t, c, readTicket)
	_, err = n.Join(context.Background(), ticketOf(t, a, writeTicket))
	require.ErrorIs(t, err, minikv.ErrTicket, "somebody may have joined")
	require.NoError(t, n.Close())
	n = openIn(t, dir, cfg)
	_, err = n.Registry(context.Background(), "test")
	require.NoError(t, err)
	_, err = n.Join(context.Background(), ticketOf(t, a, writeTicket))
	require.ErrorIs(t, err, minikv.ErrTicket, "that is remembered")
}

// A Join that is refused leaves the keys as they are: an owner's are gone for good otherwise.
func TestARefusedJoinKeepsTheKeys(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	n := openIn(t, dir, minikv.Config{})
	r, err := n.Registry(ctx, "test")
	require.NoError(t, err)
	put(t, r, "k", "v")
	mine, others := ticketOf(t, r, writeTicket), ticketOf(t, founder(t, minikv.Config{}), writeTicket)
	_, err = n.Join(ctx, others, minikv.Replace(), minikv.ReadOnly())
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.NoError(t, n.Close())

	r, err = openIn(t, dir, minikv.Config{}).Registry(ctx, "test")
	require.NoError(t, err)
	require.Equal(t, minikv.Access{Rights: minikv.RightsOwner}, r.Access())
	join(t, r.Node(), mine)
}
