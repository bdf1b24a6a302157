package p2p_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

func TestRelayThroughTheMiddle(t *testing.T) {
	a, b, c := newHost(t), newHost(t), newHost(t)
	in := map[*p2p.Host]*inbox{a: newInbox(), b: newInbox(), c: newInbox()}
	ta := join(t, a, "reg", in[a].handle)
	tb := join(t, b, "reg", in[b].handle)
	tc := join(t, c, "reg", in[c].handle)
	connect(t, a, b)
	connect(t, c, b)
	meet(t, 1, ta, tc)
	meet(t, 2, tb)
	require.NoError(t, ta.Publish(t.Context(), []byte("x")))
	require.Equal(t, p2p.Message{From: a.ID(), Via: b.ID(), Data: []byte("x")}, in[c].wait(t, 1)[0])
	require.Equal(t, p2p.Message{From: a.ID(), Via: a.ID(), Data: []byte("x")}, in[b].wait(t, 1)[0])
	require.NoError(t, tc.Publish(t.Context(), []byte("y")))
	require.Equal(t, p2p.Message{From: c.ID(), Via: b.ID(), Data: []byte("y")}, in[a].wait(t, 1)[0])
}

func TestTwentyHosts(t *testing.T) {
	const hosts, messages = 20, 100
	hs := make([]*p2p.Host, hosts)
	boxes := make([]*inbox, hosts)
	topics := make([]*p2p.Topic, hosts)
	for i := range hs {
		hs[i], boxes[i] = newHost(t), newInbox()
		topics[i] = join(t, hs[i], "reg", boxes[i].handle)
	}
	for i := 1; i < hosts; i++ {
		connect(t, hs[i], hs[i/2])
		connect(t, hs[i], hs[i/3])
	}
	meet(t, 1, topics...)
	for i := range messages {
		require.NoError(t, topics[i%hosts].Publish(t.Context(), fmt.Append(nil, "message ", i)))
	}
	for i, b := range boxes {
		own := messages / hosts
		got := b.wait(t, messages-own)
		seen := map[string]bool{}
		for _, m := range got {
			require.False(t, seen[string(m.Data)], "host %d got %q twice", i, m.Data)
			seen[string(m.Data)] = true
			require.NotEqual(t, hs[i].ID(), m.From)
		}
		require.Len(t, got, messages-own)
	}
}
