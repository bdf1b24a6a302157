package minikv_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/p2p"
)

// diagnose returns the checks by name.
func diagnose(t *testing.T, n *minikv.Node) map[string]minikv.Check {
	t.Helper()
	checks, err := n.Doctor(within(t))
	require.NoError(t, err)
	out := map[string]minikv.Check{}
	for _, c := range checks {
		require.NotContains(t, out, c.Name)
		require.NotEmpty(t, c.Found)
		if c.State == minikv.CheckProblem {
			require.NotEmpty(t, c.Advice, c.Name)
		}
		out[c.Name] = c
	}
	return out
}

func TestDoctor(t *testing.T) {
	offline := diagnose(t, openNode(t, minikv.Config{}))
	require.Equal(t, minikv.CheckOff, offline["network"].State)
	require.Equal(t, minikv.CheckOff, offline["disk"].State)

	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	away := "/ip4/127.0.0.1/tcp/1/p2p/" + string(openNode(t, minikv.Config{}).ID())
	a, err := minikv.Open(ctx, dir, minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Bootstrap: []string{away}, Relays: []string{away}})
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	b := online(t, minikv.Config{Clock: func() time.Time { return time.Now().Add(50 * time.Second) }})
	ra, rb := openRegistry(t, a, "test"), openRegistry(t, b, "test")
	connect(t, a, b)
	require.NoError(t, ra.WaitSynced(within(t), 1))
	require.NoError(t, rb.WaitSynced(within(t), 1))
	checks := diagnose(t, a)
	require.Contains(t, checks["listening"].Found, "/ip4/127.0.0.1/tcp/")
	require.Equal(t, minikv.CheckOff, checks["mdns"].State)
	require.Equal(t, minikv.CheckOff, checks["reachability"].State)
	require.Equal(t, minikv.CheckProblem, checks["relay"].State)
	require.Contains(t, checks["relay"].Found, "the named relay has no place for this node")
	require.Equal(t, minikv.CheckOff, checks["dht"].State)
	require.Equal(t, minikv.CheckProblem, checks["named peers"].State)
	require.Equal(t, "1 of 2 are connected", checks["named peers"].Found)
	require.Contains(t, checks["peers"].Found, "1 connected: 1 directly")
	require.Equal(t, minikv.CheckProblem, checks["clock"].State)
	require.Contains(t, checks["clock"].Found, string(b.ID()))
	require.Equal(t, minikv.CheckNote, checks["directory"].State)
	require.Contains(t, checks["directory"].Advice, "chmod 700")
	require.Contains(t, []minikv.CheckState{minikv.CheckOK, minikv.CheckNote}, checks["disk"].State)
	require.NoError(t, a.Close())
	_, err = a.Doctor(ctx)
	require.ErrorIs(t, err, minikv.ErrClosed)
}

// Whether a router has to be asked for anything depends on the addresses that a machine has.
func TestDoctorKnowsWhatIsPublic(t *testing.T) {
	const lan, carrier, public, public6 = "192.168.1.7", "100.64.3.4", "11.0.0.7", "2a00:1:2:3::1"
	for name, c := range map[string]struct {
		ips, mapped []string
		want        minikv.CheckState
	}{
		"behind a router":                    {[]string{lan}, nil, minikv.CheckNote},
		"in a carrier's network or a VPN":    {[]string{lan, carrier}, nil, minikv.CheckNote},
		"public":                             {[]string{lan, public}, nil, minikv.CheckOff},
		"public by IPv6 alone":               {[]string{lan, public6}, nil, minikv.CheckNote},
		"without IPv4":                       {[]string{"fd00:5::1", public6}, nil, minikv.CheckOff},
		"mapped":                             {[]string{lan}, []string{"/ip4/11.0.0.8/tcp/7420"}, minikv.CheckOK},
		"mapped by a router behind another":  {[]string{lan}, []string{"/ip4/10.7.0.8/tcp/7420"}, minikv.CheckNote},
		"mapped by one in a carrier's range": {[]string{lan}, []string{"/ip4/100.64.3.4/tcp/7420"}, minikv.CheckNote},
	} {
		checks := minikv.Diagnose(p2p.State{Discovery: p2p.DiscoveryLAN, Interfaces: c.ips, Mapped: c.mapped, DHT: -1})
		require.Equal(t, c.want, checks["port mapping"].State, name)
	}
	seen := p2p.State{Discovery: p2p.DiscoveryLAN, Interfaces: []string{lan, public6}, Observed: []string{"/ip4/11.0.0.8/tcp/7420"}, DHT: -1}
	require.Contains(t, minikv.Diagnose(seen)["reachability"].Found, "behind a router that others see as /ip4/11.0.0.8/tcp/7420")
	seen.Observed = []string{"/ip6/" + public6 + "/tcp/7420"}
	require.Contains(t, minikv.Diagnose(seen)["reachability"].Found, "not known")
}

// What listens, and serves, where others cannot come says so.
func TestDoctorKnowsWhoCanCome(t *testing.T) {
	s := p2p.State{Interfaces: []string{"192.168.1.7"}, Listening: []string{"/ip4/127.0.0.1/tcp/7420", "/ip6/::1/tcp/7420"}, DHT: -1}
	require.Equal(t, minikv.CheckNote, minikv.Diagnose(s)["listening"].State)
	s.Listening = append(s.Listening, "/ip4/0.0.0.0/tcp/7420")
	require.Equal(t, minikv.CheckOK, minikv.Diagnose(s)["listening"].State)

	s.Relay, s.Addresses = p2p.RelayMembers, []string{"/ip4/192.168.1.7/tcp/7420", "/ip4/100.64.3.4/tcp/7420"}
	require.Equal(t, minikv.CheckNote, minikv.Diagnose(s)["relay service"].State)
	s.Addresses = append(s.Addresses, "/ip4/11.0.0.7/tcp/7420")
	require.Equal(t, minikv.CheckOK, minikv.Diagnose(s)["relay service"].State)
}
