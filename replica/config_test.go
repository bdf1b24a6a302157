package replica_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// What a configuration allows never exceeds what a record can hold.
func TestLimitsStayWithinThoseOfRecords(t *testing.T) {
	r := replica.New(replica.Config{
		Peer: "a", Clock: hlc.NewClock(hlc.Config{}), Rand: rand.New(rand.NewPCG(1, 1)), MaxKey: 1 << 20, MaxValue: math.MaxInt, SyncEvery: -1, Retention: -1,
	}, nil, at)
	_, _, err := r.Write(at, replica.Write{Key: strings.Repeat("k", lwwmap.MaxKeyLen+1)})
	require.ErrorIs(t, err, replica.ErrKey)
	_, _, err = r.Write(at, replica.Write{Key: strings.Repeat("k", lwwmap.MaxKeyLen), Value: make([]byte, 1<<24)})
	require.NoError(t, err)
	_, _, err = r.Write(at, replica.Write{Key: "gone", Delete: true})
	require.NoError(t, err)
	r.PeerUp(at, "b")
	r.Tick(replica.Instant{Wall: start.Add(time.Hour), Mono: time.Hour})
	require.Equal(t, 1, r.Map().Tombstones(), "the default retention")
}
