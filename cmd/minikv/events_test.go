package main

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// A peer that is gone has no connection any more: the log says since when there was one.
func TestLogSaysSinceWhenAPeerThatIsGoneWasConnected(t *testing.T) {
	var out bytes.Buffer
	e := &events{log: slog.New(slog.NewTextHandler(&out, nil)), peers: map[minikv.PeerID]minikv.PeerInfo{}}
	since := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	e.lookAtPeers([]minikv.PeerInfo{{ID: "a", Connected: true, Since: since}})
	e.lookAtPeers([]minikv.PeerInfo{{ID: "a"}})
	require.Contains(t, out.String(), `msg="peer gone" peer=`)
	require.Contains(t, out.String(), "since=2026-11-23T12:00:00")
}
