package minikv_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// Anyone can make any number of peers, and of a public registry each is let in. They take no room from those that matter.
func TestStrangersLeaveRoomForPeers(t *testing.T) {
	knows := func(r, peer *minikv.Registry) bool {
		return slices.ContainsFunc(r.Standings(), func(s minikv.Standing) bool {
			return s.Peer == peer.Node().ID() && !s.Synced.IsZero()
		})
	}
	for _, tt := range []struct {
		name     string
		verified bool
		wantGone bool // whether one that was here before is remembered
	}{
		{"that never finish an exchange", false, true},
		{"that do as others", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			regs := mesh(t, 3)
			here, gone := regs[1], regs[2]
			a := regs[0]
			require.NoError(t, a.WaitSynced(within(t), 2))
			require.NoError(t, gone.Node().Close())
			require.Eventually(t, func() bool { return a.Metrics().PeersConnected == 1 }, patience, time.Millisecond)
			for i := range 2 * minikv.MaxPeerRecords {
				minikv.Meet(a, minikv.PeerID(fmt.Sprintf("stranger %d", i)), tt.verified)
			}
			require.Len(t, a.Standings(), minikv.MaxPeerRecords)
			require.True(t, knows(a, here), "it is connected")
			require.Equal(t, tt.wantGone, knows(a, gone))

			late := openRegistry(t, online(t, minikv.Config{}), "test")
			connect(t, late.Node(), a.Node())
			require.NoError(t, late.WaitSynced(within(t), 1))
			require.Eventually(t, func() bool { return knows(a, late) }, patience, time.Millisecond)
			require.True(t, knows(a, here))
			require.Len(t, a.Standings(), minikv.MaxPeerRecords)
		})
	}
}
