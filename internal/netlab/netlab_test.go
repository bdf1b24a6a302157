//go:build linux

package netlab_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/internal/netlab"
)

const (
	port      = ":7777"
	listenEnv = "NETLAB_TEST_LISTEN"
	dialEnv   = "NETLAB_TEST_DIAL"
)

// TestMain lets the test program be what runs on the machines.
func TestMain(m *testing.M) {
	if at := os.Getenv(listenEnv); at != "" {
		l, err := net.Listen("tcp", at)
		for err == nil {
			_, err = l.Accept()
		}
		os.Exit(1)
	}
	if at := os.Getenv(dialEnv); at != "" {
		if _, err := net.DialTimeout("tcp", at, time.Second); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func self(t *testing.T) string {
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// The networks are what they are said to be: a router lets out, and lets in answers only.
func TestARouterHidesItsNetwork(t *testing.T) {
	lab := netlab.New(t)
	wan := lab.Switch("wan")
	public := wan.Host("public", "192.0.0.129/25")
	home := wan.NAT("home", "192.0.0.130/25", netlab.Cone, "10.1.0.1/24")
	a, b := home.Host("a", "10.1.0.2/24"), home.Host("b", "10.1.0.3/24")
	pings := func(from *netlab.Host, to string) bool {
		cmd := from.Command(t.Context(), self(t))
		cmd.Env = append(os.Environ(), dialEnv+"="+to+port)
		return cmd.Run() == nil
	}
	serve := func(h *netlab.Host) {
		cmd := h.Command(t.Context(), self(t))
		cmd.Env = append(os.Environ(), listenEnv+"="+port)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	serve(public)
	serve(b)
	netlab.Eventually(t, 5*time.Second, func() bool { return pings(a, "192.0.0.129") }, "out through the router")
	netlab.Eventually(t, 5*time.Second, func() bool { return pings(a, "10.1.0.3") }, "within the segment")
	require.False(t, pings(public, "192.0.0.130"), "in through the router")
	in, out := public.Bytes()
	require.Positive(t, in)
	require.Positive(t, out)

	a.Unplug()
	require.False(t, pings(a, "10.1.0.3"))
	a.Plug()
	a.Readdress("10.1.0.9/24")
	require.Equal(t, "10.1.0.9", a.IP)
	netlab.Eventually(t, 5*time.Second, func() bool { return pings(a, "192.0.0.129") }, "from another address")
}
