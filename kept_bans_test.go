package minikv_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// withBans opens a node on a directory with this file of bans.
func withBans(t *testing.T, content string) (n *minikv.Node, log *safeBuffer) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bans.txt"), []byte(content), 0o600))
	log = &safeBuffer{}
	n, err := minikv.Open(ctx, dir, minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n, log
}

// Who is turned away is turned away after a restart, too, and not any more once it is named.
func TestABanOutlastsTheNode(t *testing.T) {
	dir, cfg := t.TempDir(), minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	peer := online(t, minikv.Config{})
	open := func() *minikv.Node {
		n, err := minikv.Open(ctx, dir, cfg)
		require.NoError(t, err)
		return n
	}
	n := open()
	_, err := n.Connect(within(t), peer.Addrs()[0])
	require.NoError(t, err)
	minikv.Refuse(n, peer.ID(), 1000)
	banned, _ := peerOf(n, peer.ID())
	require.NotZero(t, banned.BannedUntil)
	require.NoError(t, n.Close())

	n = open()
	still, ok := peerOf(n, peer.ID())
	require.True(t, ok)
	require.WithinDuration(t, banned.BannedUntil, still.BannedUntil, time.Second)
	_, err = n.Connect(within(t), peer.Addrs()[0])
	require.NoError(t, err, "a person names it")
	require.NoError(t, n.Close())

	n = open()
	pardoned, _ := peerOf(n, peer.ID())
	require.Zero(t, pardoned.BannedUntil)
	require.NoError(t, n.Close())
}

func TestBansOfAnEarlierRunAreTakenUp(t *testing.T) {
	peer := online(t, minikv.Config{})
	text := func(until time.Time) string {
		return fmt.Sprintf("minikv bans 1\n%s %s 1 forged\n", peer.ID(), until.UTC().Format(time.RFC3339))
	}
	n, _ := withBans(t, text(time.Now().Add(5*time.Minute)))
	p, ok := peerOf(n, peer.ID())
	require.True(t, ok)
	require.WithinDuration(t, time.Now().Add(5*time.Minute), p.BannedUntil, time.Minute)
	_, err := peer.Connect(within(t), n.Addrs()[0])
	if err == nil { // the refusal comes after the dialler's side is done
		require.Eventually(t, func() bool { p, _ := peerOf(peer, n.ID()); return !p.Connected }, patience, time.Millisecond)
	}
	p, _ = peerOf(n, peer.ID())
	require.False(t, p.Connected)

	n, _ = withBans(t, text(time.Now().Add(-time.Second)))
	p, _ = peerOf(n, peer.ID())
	require.Zero(t, p.BannedUntil, "it is over")
}

func peerOf(n *minikv.Node, id minikv.PeerID) (minikv.PeerInfo, bool) {
	for _, p := range n.Peers() {
		if p.ID == id {
			return p, true
		}
	}
	return minikv.PeerInfo{}, false
}

// What is in the file of bans is never a reason not to start.
func TestTheFileOfBansMayBeAnything(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "garbage": "\x00\x01\x02", "another format": "minikv bans 9\n", "no bans": "minikv bans 1\nnonsense\na b c d\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, log := withBans(t, content)
			require.Contains(t, log.String(), "the bans of an earlier run cannot be read")
		})
	}
}
