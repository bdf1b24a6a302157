package minikv_test

import (
	"bytes"
	"crypto/ed25519"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestConfigIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  minikv.Config
		text string
	}{
		{"long name", minikv.Config{NodeName: strings.Repeat("n", 129)}, "Config.NodeName has 129 bytes"},
		{"odd name", minikv.Config{NodeName: "a\tb"}, "U+0009"},
		{"identity", minikv.Config{Identity: ed25519.PrivateKey("short")}, "Config.Identity has 5 bytes"},
		{"discovery", minikv.Config{Discovery: "moon"}, `it can be "none", "lan" or "dht"`},
		{"dht without listener", minikv.Config{Discovery: "dht"}, "Config.Listen is empty"},
		{"dht peers", minikv.Config{DHTPublic: true}, `are for Discovery "dht"`},
		{"profile", minikv.Config{Profile: "tiny"}, `it can be "edge", "server" or empty`},
		{"connections", minikv.Config{MaxConnections: 3}, "MaxConnections"},
		{"relay service", minikv.Config{RelayService: "friends"}, `it can be "members", "anyone" or empty`},
		{"relay without listener", minikv.Config{RelayService: "members"}, "Config.Listen is empty"},
		{"lan without listening", minikv.Config{Discovery: minikv.DiscoveryLAN}, "Config.Listen is empty"},
		{"skew", minikv.Config{MaxClockSkew: 25 * time.Hour}, "1ms to 24h0m0s, or 0 for 1m0s"},
		{"retention", minikv.Config{TombstoneRetention: time.Millisecond}, "Config.TombstoneRetention is 1ms"},
		{"interval", minikv.Config{SyncInterval: time.Microsecond}, "Config.SyncInterval"},
		{"key", minikv.Config{MaxKeyLen: 2000}, "Config.MaxKeyLen is 2000; it can be 1 to 1024"},
		{"value", minikv.Config{MaxValueLen: 1 << 30}, "Config.MaxValueLen"},
		{"listen", minikv.Config{Listen: []string{"localhost:80"}}, "localhost:80"},
		{"bootstrap", minikv.Config{Bootstrap: []string{"/ip4/127.0.0.1/tcp/1"}}, "/ip4/127.0.0.1/tcp/1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := minikv.Open(ctx, "", tt.cfg)
			require.ErrorContains(t, err, tt.text)
			require.True(t, strings.HasPrefix(err.Error(), "minikv: open: "), err.Error())
		})
	}
	_, err := minikv.Open(nil, "", minikv.Config{}) //nolint:staticcheck // that is the point
	require.ErrorIs(t, err, minikv.ErrInvalid)
}

func TestIdentityGivesThePeerID(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	a := openNode(t, minikv.Config{Identity: key})
	b := online(t, minikv.Config{Identity: key})
	require.Equal(t, a.ID(), b.ID())
	require.NotEqual(t, a.ID(), openNode(t, minikv.Config{}).ID())
	require.Contains(t, b.Addrs()[0], "/p2p/"+string(a.ID()))
}

func TestClockOfTheConfiguration(t *testing.T) {
	var now atomic.Int64 // ms
	now.Store(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).UnixMilli())
	r := openRegistry(t, openNode(t, minikv.Config{Clock: func() time.Time { return time.UnixMilli(now.Load()) }}), "test")
	rev := put(t, r, "k", "v", minikv.TTL(time.Minute))
	require.Equal(t, now.Load(), rev.Time().UnixMilli())
	now.Add(60_000 - 1)
	require.Equal(t, "v", value(t, r, "k"))
	now.Add(1)
	require.Empty(t, value(t, r, "k"))
	n, err := r.Len(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	now.Add(-3_600_000)
	require.Equal(t, 1, put(t, r, "k", "w").Compare(rev), "a clock set back does not lead back")
}

// Stamps begin with 1970, and a time to live that ended before would be none.
func TestAClockBeyondStampsIsRefused(t *testing.T) {
	at := func(now time.Time) minikv.Config { return minikv.Config{Clock: func() time.Time { return now }} }
	epoch, end := time.Unix(0, 0), time.Date(10789, 8, 1, 0, 0, 0, 0, time.UTC)
	for _, now := range []time.Time{{}, epoch.Add(-time.Nanosecond), end.AddDate(0, 2, 0), time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for _, dir := range []string{"", t.TempDir()} {
			_, err := minikv.Open(ctx, dir, at(now))
			require.ErrorIs(t, err, minikv.ErrInvalid, now)
			require.ErrorContains(t, err, "the clock is at "+now.UTC().Format(time.RFC3339)+"; it can be 1970-01-01T00:00:00Z to 10789-")
		}
	}
	for _, now := range []time.Time{epoch, end} {
		r := openRegistry(t, openNode(t, at(now)), "test")
		put(t, r, "k", "v", minikv.TTL(100*365*24*time.Hour))
		ttl, ok, err := r.TTL(ctx, "k")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, 100*365*24*time.Hour, ttl)
	}
}

// A clock that leaves these bounds later stops at them: what has a time to live goes on having one.
func TestAClockThatLeavesStampsStopsThere(t *testing.T) {
	var now atomic.Int64 // seconds
	now.Store(time.Now().Unix())
	r := openRegistry(t, openNode(t, minikv.Config{Clock: func() time.Time { return time.Unix(now.Load(), 0) }}), "test")
	now.Store(-1000)
	put(t, r, "k", "v", minikv.TTL(time.Minute))
	_, ok, err := r.TTL(ctx, "k")
	require.NoError(t, err)
	require.True(t, ok)
	now.Store(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
	require.Empty(t, value(t, r, "k"))
	put(t, r, "k", "w", minikv.TTL(time.Minute))
	require.Equal(t, "w", value(t, r, "k"))
	_, ok, err = r.TTL(ctx, "k")
	require.NoError(t, err)
	require.True(t, ok)
}

func TestLoggerIsUsed(t *testing.T) {
	var log bytes.Buffer
	n := openNode(t, minikv.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, n.Close())
	require.NoError(t, n.Close(), "twice")
}
