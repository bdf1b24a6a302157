package replica_test

import (
	"testing"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// twoUnderOneDot is a node that a liar made hold a short and a long entry under one dot.
func twoUnderOneDot(t *testing.T, long int) *node {
	a := newNode(t, "a", 1)
	l := lieTo(a, true)
	for _, e := range []lwwmap.Entry{
		forge(lwwmap.Data, "a short one", "v", liarActor, 1), forge(lwwmap.Data, "long", string(make([]byte, long)), liarActor, 1),
	} {
		require.NoError(t, a.Receive(a.now(), "liar", "liar", delta(forge(lwwmap.Data, "other", "v", liarActor, 2))).Refused)
		require.NoError(t, l.say(l.hello(), claim(), &replica.Entries{Despite: true, Entries: []lwwmap.Entry{e}}))
		l = lieTo(a, true)
	}
	require.Equal(t, "v", a.get("a short one"))
	require.Len(t, a.get("long"), long)
	return a
}

// A frame ends before an entry that does not fit. Where that is the second one under a dot, the next frame must not begin with
// the first one again, for ever.
func TestSessionsEndWhereALongEntrySharesItsDot(t *testing.T) {
	a, b := twoUnderOneDot(t, 3*replica.MaxDelta), newNode(t, "b", 2)
	x, y := a.Dial(a.now(), "b"), b.Accept(b.now(), "a")
	frames := 0
	for said := true; said && frames < 1000; {
		said = false
		if f, ok := x.Next(a.now()); ok {
			said = true
			_ = y.Handle(b.now(), f)
			frames++
		}
		if f, ok := y.Next(b.now()); ok {
			said = true
			_ = x.Handle(a.now(), f)
			frames++
		}
	}
	require.Less(t, frames, 100)
	require.NotEqual(t, replica.Running, firstState(x))
	require.Equal(t, "v", b.get("a short one"))
}

func firstState(s *replica.Session) replica.State {
	state, _ := s.State()
	return state
}
