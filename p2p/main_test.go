package p2p_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that nothing runs on after the tests. Known to: the search for a
// router to map ports on, which libp2p lets end by itself after some seconds; it runs
// with DiscoveryLAN only, that is in namespaces.
func TestMain(m *testing.M) {
	const nat = "github.com/libp2p/go-libp2p/p2p/net/nat/internal/nat."
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction(nat+"discoverUPNP_GenIGDev"),
		goleak.IgnoreAnyFunction(nat+"discoverUPNP_IG1"),
		goleak.IgnoreAnyFunction(nat+"discoverUPNP_IG2"),
		goleak.IgnoreAnyFunction(nat+"discoverNATs"),
		goleak.IgnoreAnyFunction(nat+"discoverNATPMP"),
		goleak.IgnoreAnyFunction(nat+"discoverNATPMPWithAddr"),
		goleak.IgnoreAnyFunction(nat+"DiscoverNATs"),
	)
}
