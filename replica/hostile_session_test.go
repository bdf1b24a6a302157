package replica_test

import (
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plausible draws a frame as a liar would choose it who knows what it is told:
// most fit the turn, with keys and dots of the node.
func plausible(t *rapid.T, l *liar, heard []replica.Frame) replica.Frame {
	own := l.n.Map().Context().Spans()
	keys := rapid.SampledFrom([]string{"key 000003", "key 000004", "key 000001", "other"})
	lie := func(label string) lwwmap.Entry {
		actor := rapid.SampledFrom([]crdt.Actor{liarActor, liarActor + 1, l.n.Actor()}).Draw(t, label)
		e := forge(lwwmap.Data, keys.Draw(t, "key"), "lie", actor, rapid.Uint64Range(1, 40).Draw(t, "seq"))
		if rapid.Bool().Draw(t, "early") {
			e.Stamp -= 1 << 30
		}
		if e.Deleted = rapid.Bool().Draw(t, "deleted"); e.Deleted {
			e.Value = nil
		}
		return e
	}
	turn := rapid.IntRange(0, 9).Draw(t, "frame")
	if rapid.IntRange(0, 9).Draw(t, "fits") > 0 {
		turn = rapid.SampledFrom(fitting(l, heard)).Draw(t, "turn")
	}
	switch turn {
	case 0:
		return l.hello()
	case 1, 2:
		c := claim(own...)
		if rapid.Bool().Draw(t, "horizon") {
			c.Horizons[0] = lwwmap.Order{Stamp: l.hello().Clock}
		}
		if rapid.Bool().Draw(t, "less") && len(own) > 0 {
			c.Spans = nil
		}
		return c
	case 3, 4:
		f := &replica.Entries{Despite: rapid.Bool().Draw(t, "despite"), Last: rapid.Bool().Draw(t, "last")}
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			f.Entries = append(f.Entries, lie("actor"))
		}
		return f
	case 5, 6:
		for i := len(heard) - 1; i >= 0; i-- {
			if s, ok := heard[i].(*replica.Status); ok {
				answer := &replica.Status{Root: s.Root, Round: s.Round, Sent: s.Got, Got: s.Sent}
				if rapid.Bool().Draw(t, "disagree") {
					answer.Root[rapid.IntRange(0, 15).Draw(t, "byte")]++
				}
				return answer
			}
		}
		return &replica.Status{}
	case 7:
		return &replica.Tops{}
	case 8:
		b := lwwmap.BucketOf(lwwmap.Data, keys.Draw(t, "bucket"))
		if rapid.Bool().Draw(t, "leaves") {
			return &replica.Leaves{Tops: []byte{byte(b >> 8)}}
		}
		e := lie("item")
		f := &replica.Items{Last: rapid.Bool().Draw(t, "last"), Buckets: []lwwmap.Bucket{b}}
		if lwwmap.BucketOf(e.Kind, e.Key) == b {
			f.Items = []replica.KeyItem{{Kind: e.Kind, Key: e.Key, Item: lwwmap.Item{Dot: e.Dot, Order: e.Order(), Deleted: e.Deleted}}}
		}
		return f
	}
	return anyFrame().Draw(t, "any")
}

// fitting returns the choices of plausible that fit what was heard last.
func fitting(l *liar, heard []replica.Frame) []int {
	if len(heard) == 0 {
		return []int{1}
	}
	switch f := heard[len(heard)-1].(type) {
	case *replica.Hello, *replica.Contexts:
		return []int{1, 3}
	case *replica.Entries:
		return []int{3}
	case *replica.Status:
		if f.Round > 0 || l.s.Stats().Received > 0 {
			return []int{5, 7}
		}
		return []int{5, 7, 3}
	}
	return []int{7, 8}
}

// Whatever a peer says, in whatever role: no panic, and the node goes on.
func TestALiarDoesNoLastingHarm(t *testing.T) {
	ended := map[replica.State]int{}
	audits := uint64(0)
	one := func(rt *rapid.T) {
		a := attacked(t)
		l := lieTo(a, rapid.Bool().Draw(rt, "dials"))
		var heard []replica.Frame
		if rapid.IntRange(0, 9).Draw(rt, "opens") > 0 {
			require.NoError(rt, l.say(l.hello()))
		}
		for range rapid.IntRange(1, 30).Draw(rt, "frames") {
			heard = append(heard, l.hear()...)
			if l.say(plausible(rt, l, heard)) != nil || l.state() != replica.Running {
				break
			}
		}
		l.hear()
		l.s.Abort(a.now(), errCut)
		ended[l.state()]++
		audits += a.Stats().Sessions.Audits
		requireWell(t, a)
	}
	for range 10 { // enough to get deep now and then
		rapid.Check(t, one)
	}
	t.Log(ended, audits)
	require.NotZero(t, ended[replica.Merged])
	require.NotZero(t, ended[replica.Unverified])
	require.NotZero(t, audits, "some came to an audit")
}
