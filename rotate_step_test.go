package minikv_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

var errNoSpace = errors.New("no space left on device")

// Each step of a change of keys is made to fail. The registry has its old keys afterwards, in memory and on disk: a member
// who was there before still shares it, and a node that starts anew has them.
func TestAChangeOfKeysThatFailsChangesNothing(t *testing.T) {
	ctx := context.Background()
	rotate := func(r *minikv.Registry, _ string) error { return r.Rotate(ctx) }
	replace := func(r *minikv.Registry, ticket string) error {
		_, err := r.Node().Join(ctx, ticket, minikv.Replace())
		return err
	}
	type write = func(path string, content []byte, real func(string, []byte) error) error
	writes := func(times int, w write) func(*testing.T, *minikv.Node, string) func() {
		return func(_ *testing.T, n *minikv.Node, _ string) func() {
			done := 0
			minikv.WriteKeys(n, func(path string, content []byte, real func(string, []byte) error) error {
				if done++; done <= times {
					return w(path, content, real)
				}
				return real(path, content)
			})
			return func() {}
		}
	}
	before := func(string, []byte, func(string, []byte) error) error { return errNoSpace }
	after := func(path string, content []byte, real func(string, []byte) error) error {
		return errors.Join(real(path, content), errNoSpace)
	}
	occupied := func(t *testing.T, n *minikv.Node, ticket string) func() {
		letGo, err := minikv.OccupyTopic(n, ticket)
		require.NoError(t, err)
		return func() { require.NoError(t, letGo()) }
	}
	for _, tt := range []struct {
		name   string
		change func(r *minikv.Registry, ticket string) error
		fail   func(t *testing.T, n *minikv.Node, ticket string) (repair func())
	}{
		{"rotate, keys not written", rotate, writes(1, before)},
		{"rotate, keys written and not durable", rotate, writes(1, after)},
		{"rotate, keys not written, nor the old ones", rotate, writes(2, before)},
		{"replace, topic not joined", replace, occupied},
		{"replace, keys not written", replace, writes(1, before)},
		{"replace, keys written and not durable", replace, writes(1, after)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, cfg := t.TempDir(), minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
			n, err := minikv.Open(ctx, dir, cfg)
			require.NoError(t, err)
			defer n.Close()
			r, err := n.Registry(ctx, "test")
			require.NoError(t, err)
			member := joined(t, r, writeTicket)
			other, err := online(t, minikv.Config{}).Registry(ctx, "test")
			require.NoError(t, err)
			ticket := ticketOf(t, other, ownerTicket)

			repair := tt.fail(t, n, ticket)
			require.Error(t, tt.change(r, ticket))
			put(t, r, "k", "v")
			eventually(t, member, "k", "v")
			put(t, member, "back", "v")
			eventually(t, r, "back", "v")
			require.NoError(t, r.WaitSynced(within(t), 1))
			joined(t, r, writeTicket)

			repair()
			require.NoError(t, n.Close())
			n, err = minikv.Open(ctx, dir, cfg)
			require.NoError(t, err)
			defer n.Close()
			r, err = n.Registry(ctx, "test")
			require.NoError(t, err)
			join(t, member.Node(), ticketOf(t, r, writeTicket)) // without Replace: these are its keys
			put(t, r, "after", "v")
			eventually(t, member, "after", "v")

			require.NoError(t, tt.change(r, ticket))
			put(t, r, "secret", "v")
			eventually(t, joined(t, r, writeTicket), "secret", "v")
			require.Empty(t, value(t, member, "secret"))
		})
	}
}

// A rotation that cannot enter the new topic has not touched the keys on the disk.
func TestARotationWithoutANetworkLeavesTheKeys(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	n, err := minikv.Open(ctx, dir, minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	require.NoError(t, err)
	r, err := n.Registry(ctx, "test")
	require.NoError(t, err)
	old := ticketOf(t, r, minikv.TicketOptions{Addrs: []string{"/ip4/127.0.0.1/tcp/9/p2p/" + string(n.ID())}})
	minikv.WriteKeys(n, func(string, []byte, func(string, []byte) error) error {
		t.Error("the keys were written")
		return errNoSpace
	})
	require.NoError(t, minikv.CloseHost(n))
	require.Error(t, r.Rotate(ctx))
	_ = n.Close()
	n = openIn(t, dir, minikv.Config{})
	_, err = n.Join(ctx, old)
	require.NoError(t, err, "the ticket is for the keys that the node has")
}
