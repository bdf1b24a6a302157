package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// flow is a bulk load on a that gossip carries to b, of some 1.2 MiB/s.
type flow struct {
	a, b  *node
	count int
}

func newFlow(t testing.TB) *flow {
	f := &flow{a: newNode(t, "a", 1), b: newNode(t, "b", 2)}
	f.a.PeerUp(f.a.now(), "b")
	f.b.PeerUp(f.b.now(), "a")
	f.a.tick()
	sync(t, f.a, f.b)
	require.Empty(t, f.a.tick())
	return f
}

// step lets 100 ms go by and returns who would open a session; lost, if the
// delta does not arrive.
func (f *flow) step(writes bool, lost bool) (dials []string) {
	wait(100*time.Millisecond, f.a, f.b)
	if writes {
		for range 8 {
			f.count++
			f.a.put(fmt.Sprint("k", f.count%1000), strings.Repeat("v", 16_000))
		}
	}
	if lost {
		f.a.Outbox()
	}
	for d := f.a.Outbox(); d != nil; d = f.a.Outbox() {
		require.NoError(f.a.t, f.b.Receive(f.b.now(), "a", "a", d).Refused)
	}
	for _, n := range []*node{f.a, f.b} {
		if len(n.tick()) > 0 {
			dials = append(dials, n.name)
		}
	}
	return dials
}

// run goes on for d or until someone dials.
func (f *flow) run(d time.Duration, writes bool) (dials []string, after time.Duration) {
	began := f.a.elapsed
	for f.a.elapsed < began+d {
		if dials = f.step(writes, false); len(dials) > 0 {
			break
		}
	}
	return dials, f.a.elapsed - began
}

func TestNoPeriodicSessionInTheMidstOfABulkLoad(t *testing.T) {
	f := newFlow(t)
	dials, _ := f.run(time.Minute, true)
	require.Empty(t, dials, "it would send once more what gossip carries")
	dials, after := f.run(time.Minute, false)
	require.Len(t, dials, 1, "not both at once")
	require.Greater(t, after, 500*time.Millisecond)
	require.LessOrEqual(t, after, 7*time.Second, "it was due, and waited for the end of the load only")
}

func TestABulkLoadPutsPeriodicSessionsOffByTwoMinutesAtMost(t *testing.T) {
	f := newFlow(t)
	var at []time.Duration
	for began := f.a.elapsed; f.a.elapsed < began+6*time.Minute; {
		if slices.Contains(f.step(true, false), "a") {
			at = append(at, f.a.elapsed)
		}
	}
	require.GreaterOrEqual(t, len(at), 2)
	for i, d := range at {
		if i > 0 {
			d -= at[i-1]
		}
		require.Greater(t, d, 2*time.Minute)
		require.LessOrEqual(t, d, replica.DefaultSyncEvery*5/4+2*time.Minute+7*time.Second)
	}
}

func TestAGapInABulkLoadIsClosedSoonAfterIt(t *testing.T) {
	f := newFlow(t)
	f.run(5*time.Second, true)
	require.Empty(t, f.step(true, true))
	dials, _ := f.run(5*time.Second, true)
	require.Empty(t, dials)
	require.Equal(t, 1, f.b.Gaps())
	dials, after := f.run(time.Minute, false)
	require.Equal(t, []string{"b"}, dials)
	require.Less(t, after, time.Second)
	sync(t, f.b, f.a)
	f.b.tick()
	require.Zero(t, f.b.Gaps())
}

func TestAGapInALongBulkLoadIsNotLeftOpenForLong(t *testing.T) {
	f := newFlow(t)
	f.run(5*time.Second, true)
	f.step(true, true)
	dials, after := f.run(time.Minute, true)
	require.Equal(t, []string{"b"}, dials)
	require.Greater(t, after, 9*time.Second)
	require.Less(t, after, 11*time.Second)
}

// What is written all day long, but little at a time, puts nothing off.
func TestLittleGossipPutsNothingOff(t *testing.T) {
	f := newFlow(t)
	for range 2000 {
		wait(20*time.Millisecond, f.a, f.b)
		f.a.put("k", strings.Repeat("v", 1024))
		gossip(t, f.a, f.b)
		if len(f.a.tick()) > 0 {
			require.Less(t, f.a.elapsed, 38*time.Second)
			f.b.tick()
			f.a.lose("l")
			f.a.put("m", "v")
			gossip(t, f.a, f.b)
			dial, after := f.b.untilDial(time.Second)
			require.Len(t, dial, 1)
			require.LessOrEqual(t, after, 160*time.Millisecond)
			return
		}
	}
	t.Fatal("no periodic session")
}
