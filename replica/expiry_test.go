package replica_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hearFrom has n hear of a write by a peer whose clock is ahead of n's.
func (n *node) hearFrom(ahead time.Duration) {
	n.t.Helper()
	fast := newNode(n.t, "fast", 99)
	fast.elapsed = n.elapsed + ahead
	fast.put("tick", "v")
	gossip(n.t, fast, n)
	require.Equal(n.t, ahead, n.latest().Sub(n.Now(n.now())), "the hybrid clock follows")
}

func TestAPeerWithAFastClockShortensNoLifetime(t *testing.T) {
	a := newNode(t, "a", 1)
	a.putFor("k", 10*time.Second)
	a.hearFrom(50 * time.Second)
	require.Equal(t, 10*time.Second, a.NextTick(a.now(), time.Hour))
	a.elapsed = 10*time.Second - time.Millisecond
	a.tick()
	require.Equal(t, "v", a.get("k"))
	a.elapsed = 10 * time.Second
	require.Empty(t, a.get("k"), "to the millisecond")
	a.tick()
	require.EqualValues(t, 1, a.Stats().Expired)
}

func TestSessionsAgreeOnWhatHasExpiredWhateverTheClocks(t *testing.T) {
	for name, meet := range map[string]func(a, b *node){
		"one has heard of the future": func(a, b *node) { a.hearFrom(50 * time.Second) },
		"one is ahead":                func(a, b *node) { a.elapsed += 50 * time.Second },
		"one is ahead and reclaims": func(a, b *node) {
			a.elapsed += 50 * time.Second
			a.tick()
			require.EqualValues(t, 1, a.Stats().Expired)
		},
		"one that was ahead has reclaimed": func(a, b *node) {
			a.elapsed += 50 * time.Second
			a.tick()
			a.elapsed -= 50 * time.Second
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, aDials := range []bool{true, false} {
				a, b := newNode(t, "a", 1), newNode(t, "b", 2)
				b.putFor("k", 10*time.Second)
				b.putFor("long", time.Hour)
				sync(t, a, b)
				meet(a, b)
				a.put("l", "v")
				if x, y := a, b; aDials {
					sync(t, x, y)
				} else {
					sync(t, y, x)
				}
				require.Equal(t, "v", b.get("l"))
				for _, n := range []*node{a, b} {
					require.Equal(t, "v", n.get("long"))
					n.elapsed = time.Minute
					n.tick()
					require.Empty(t, n.get("k"))
				}
				sync(t, a, b)
			}
		})
	}
}
