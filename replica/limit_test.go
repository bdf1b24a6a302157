package replica_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/replica"
)

// exchangeFrames lets two sessions talk until neither has anything to say or most frames have passed, and returns the sizes of
// the frames with entries.
func exchangeFrames(t *testing.T, a, b *node, x, y *replica.Session, most int) (sizes []int) {
	t.Helper()
	for moved, n := true, 0; moved && n < most; {
		moved = false
		for _, side := range []struct {
			from, to *replica.Session
			at       *node
		}{{x, y, b}, {y, x, a}} {
			for n < most {
				f, ok := side.from.Next(side.at.now())
				if !ok {
					break
				}
				moved = true
				n++
				data, err := replica.EncodeFrame(nil, f)
				require.NoError(t, err)
				if _, ok := f.(*replica.Entries); ok {
					sizes = append(sizes, len(data))
				}
				_ = side.to.Handle(side.at.now(), f)
			}
		}
	}
	return sizes
}

// A pipe that is cut after few frames, again and again, brings everything over in the end.
func TestASessionInPieces(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	for i := range 2000 {
		a.put(fmt.Sprintf("k%04d", i), strings.Repeat("v", 100))
	}
	cuts := 0
	for ; a.root() != b.root(); cuts++ {
		require.Less(t, cuts, 100)
		x, y := a.Dial(a.now(), "b"), b.Accept(b.now(), "a")
		x.Limit(4<<10, 16<<10)
		y.Limit(4<<10, 16<<10)
		for _, size := range exchangeFrames(t, a, b, x, y, 10) {
			require.Less(t, size, 10<<10)
		}
		x.Abort(a.now(), fmt.Errorf("cut"))
		y.Abort(b.now(), fmt.Errorf("cut"))
	}
	require.Greater(t, cuts, 5, "what arrived with each piece was kept")
	sync(t, a, b)
	requireEqual(t, a, b)
}

// Entries too large for the pipe are held back, the others are not, and nothing is taken for equal.
func TestALimitedSessionHoldsBackWhatIsTooLarge(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("before", "v")
	a.put("large", strings.Repeat("v", 100<<10))
	a.put("after", "v")
	for _, dialler := range []bool{true, false} {
		var x, y *replica.Session
		if dialler {
			x, y = a.Dial(a.now(), "b"), b.Accept(b.now(), "a")
		} else {
			y, x = a.Accept(a.now(), "b"), b.Dial(b.now(), "a")
		}
		x.Limit(8<<10, 64<<10)
		y.Limit(8<<10, 64<<10)
		exchangeFrames(t, a, b, x, y, 1000)
		state, _ := x.State()
		require.Equal(t, replica.Unverified, state)
		require.Equal(t, "v", b.get("before"))
		require.Equal(t, "v", b.get("after"))
		require.Empty(t, b.get("large"))
	}
	sync(t, a, b)
	requireEqual(t, a, b)
}

func TestAPeerIsCalledWhenThereIsNewsForIt(t *testing.T) {
	a := newNode(t, "a", 1)
	a.Call(a.now(), "b") // not known: nothing
	require.Empty(t, a.tick())
	a.PeerUp(a.now(), "b")
	require.Equal(t, []string{"b"}, a.tick())
	s := a.Dial(a.now(), "b")
	a.Call(a.now(), "b")
	require.Empty(t, a.tick(), "one session at a time")
	s.Abort(a.now(), fmt.Errorf("cut"))
	a.Call(a.now(), "b")
	require.Empty(t, a.tick(), "not before its time after a failure")
	a.elapsed += time.Second
	require.Equal(t, []string{"b"}, a.tick())
}
