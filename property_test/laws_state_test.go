package property_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// state is a map and the replica that writes it. Stamps count up from 1, and
// each write takes the next one after all that its writer has seen: so replicas
// that write at the same time tie, as they do under hybrid logical clocks.
type state struct {
	*lwwmap.Map
	actor crdt.Actor
	clock hlc.Timestamp
}

func newState(i int) *state {
	return &state{Map: lwwmap.New(nil), actor: crdt.Actor(i + 1)}
}

func (s *state) clone() *state { return &state{s.Map.Clone(), s.actor, s.clock} }

// join returns the join of s and o, as s's replica; both stay as they are.
func (s *state) join(o *state) *state {
	j := s.clone()
	j.Map.Join(o.Map)
	j.clock = max(s.clock, o.clock)
	return j
}

// step is one thing that a replica of a small world does, drawn as a number:
// one draw a step keeps a hundred thousand cases within seconds, and rapid
// still shrinks it.
type step uint32

// Kinds of steps, by how they come about.
const (
	stepPut = iota
	stepPutToo
	stepFenced
	stepShort // a put that expires
	stepDelete
	stepDeleteToo
	stepCollect
	stepCollectToo
	stepExpire
	stepJoin
	stepDeliver // one entry, as gossip does
	steps
)

func (n step) kind() int   { return int(n % steps) }
func (n step) who() int    { return int(n / steps % 3) }
func (n step) whom() int   { return int(n / steps / 3 % 3) }
func (n step) key() string { return "kl"[n/steps/9%2:][:1] }
func (n step) value() byte { return "vw"[n/steps/18%2] }
func (n step) small() int  { return int(n / steps / 36 % 3) }
func (n step) String() string {
	return fmt.Sprintf("%s by %d (%d) on %s, value %c, %d", [...]string{
		"put", "put", "fenced put", "short put", "delete", "delete", "collect", "collect", "expire", "join", "deliver",
	}[n.kind()], n.who(), n.whom(), n.key(), n.value(), n.small())
}

// anyStep draws one evenly: ranges of integers draw small ones too often.
var anyStep = rapid.SampledFrom(func() (all []step) {
	for n := range steps * 3 * 3 * 2 * 2 * 3 {
		all = append(all, step(n))
	}
	return all
}())

// drawTie returns two more steps, half of the time: two replicas write the same
// key at the same time.
func drawTie(t *rapid.T, all []*state) []step {
	if !rapid.Bool().Draw(t, "end with a tie") {
		return nil
	}
	all[0].clock = max(all[0].clock, all[1].clock)
	all[1].clock = all[0].clock
	return []step{stepPut, stepShort + steps}
}

// fences are the tokens that fenced writes carry; the zero token is none.
var fences = [...]lwwmap.Token{{}, lwwmap.MakeToken(1, 2, 0), lwwmap.MakeToken(2, 1, 0)}

// write makes a local write by the rules of replicas, and returns it.
func (s *state) write(n step) (e lwwmap.Entry, ok bool) {
	s.clock++
	e = lwwmap.Entry{Kind: lwwmap.Data, Key: n.key(), Value: []byte{n.value()}, Stamp: s.clock}
	switch n.kind() {
	case stepFenced:
		e.Fence, e.Base = fences[n.small()], s.clock
	case stepShort:
		e.Expires = s.clock + 1 + hlc.Timestamp(n.small())
	case stepDelete, stepDeleteToo:
		e.Deleted, e.Value = true, nil
	}
	if e.Fence.IsZero() {
		h := s.Horizons()
		e.Fence, e.Base = h.Of(e.Kind).Fence, h.Of(e.Kind).Base
		if held := s.Get(e.Kind, e.Key); !held.IsZero() {
			if fence, base := held.Fence(); fence.Compare(e.Fence) > 0 || fence == e.Fence && base > e.Base {
				e.Fence, e.Base = fence, base
			}
		}
	}
	e.Dot = crdt.Dot{Actor: s.actor, Seq: s.Context().Next(s.actor)}
	_, _, ok = s.Write(e)
	return e, ok
}

// act lets one of three replicas take a step.
func act(all []*state, n step) {
	s, o := all[n.who()], all[n.whom()]
	switch n.kind() {
	case stepCollect, stepCollectToo:
		s.Collect(hlc.Max, 1+n.small())
	case stepExpire:
		s.clock += hlc.Timestamp(n.small())
		s.Expire(s.clock, 8)
	case stepJoin:
		s.Map.Join(o.Map)
		s.clock = max(s.clock, o.clock)
	case stepDeliver:
		if r := o.Get(lwwmap.Data, n.key()); !r.IsZero() {
			s.Apply(r.Entry())
			s.clock = max(s.clock, r.Stamp())
		}
	default:
		s.write(n)
	}
}

// drawSteps draws what happens in a small world. Kinds that are left out do not
// happen.
func drawSteps(t *rapid.T, without ...int) []step {
	all := rapid.SliceOfN(anyStep, 4, 14).Draw(t, "steps")
	return slices.DeleteFunc(all, func(n step) bool { return slices.Contains(without, n.kind()) })
}

// drawStates draws three replicas with a history.
func drawStates(t *rapid.T, without ...int) []*state {
	all := []*state{newState(0), newState(1), newState(2)}
	for _, n := range drawSteps(t, without...) {
		act(all, n)
	}
	for _, n := range drawTie(t, all) {
		act(all, n)
	}
	return all
}

// entries returns all that a state holds, in a fixed order.
func (s *state) entries() (es []lwwmap.Entry) {
	for k := lwwmap.Data; k <= lwwmap.Origin; k++ {
		s.Ascend(k, "", "", func(r lwwmap.Record) bool {
			es = append(es, r.Entry())
			return true
		})
	}
	return es
}

// encode writes a state with the codec of sessions: context and horizons, then
// the entries. Equal states give equal bytes.
func (s *state) encode() ([]byte, error) {
	b, err := replica.EncodeFrame(nil, &replica.Contexts{Spans: s.Context().Spans(), Last: true, Horizons: s.Horizons()})
	if err != nil {
		return nil, err
	}
	split := len(b)
	if b, err = replica.EncodeFrame(b, &replica.Entries{Entries: s.entries()}); err != nil {
		return nil, err
	}
	return append(b, byte(split), byte(split>>8)), nil
}

func decodeState(b []byte) (*state, error) {
	split := int(b[len(b)-2]) | int(b[len(b)-1])<<8
	first, err := replica.DecodeFrame(b[:split])
	if err != nil {
		return nil, err
	}
	second, err := replica.DecodeFrame(b[split : len(b)-2])
	if err != nil {
		return nil, err
	}
	c, s := first.(*replica.Contexts), newState(0)
	for _, e := range second.(*replica.Entries).Entries {
		s.Apply(e)
		s.clock = max(s.clock, e.Stamp)
	}
	seen, err := crdt.FromSpans(c.Spans)
	if err != nil {
		return nil, err
	}
	s.Settle(nil, seen, &c.Horizons)
	return s, nil
}

func (s *state) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "context %s", s.Context())
	if h := s.Horizons(); h != (lwwmap.Horizons{}) {
		fmt.Fprintf(&b, " horizon %s", rankText(h.Of(lwwmap.Data)))
	}
	for _, e := range s.entries() {
		fmt.Fprintf(&b, " [%s=%s dot %s order %s", e.Key, e.Value, e.Dot, rankText(e.Order()))
		if e.Deleted {
			b.WriteString(" deleted")
		}
		if e.Expires != 0 {
			fmt.Fprintf(&b, " expires %d", e.Expires)
		}
		b.WriteString("]")
	}
	return b.String()
}

func rankText(o lwwmap.Order) string {
	return fmt.Sprintf("%d/%d/%d/%d", o.Fence.Epoch(), o.Base, o.Stamp, o.Actor)
}

// shares counts in how many cases there was something to find.
type shares struct{ cases, ties, tombstones, collected int }

// see looks at the states of a case.
func (c *shares) see(all ...*state) {
	c.cases++
	tie, tombstone, collected := false, false, false
	stamps := map[string]map[hlc.Timestamp]crdt.Actor{}
	for _, s := range all {
		tombstone = tombstone || s.Tombstones() > 0
		collected = collected || s.Horizons() != lwwmap.Horizons{}
		s.Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
			by := stamps[r.Key()]
			if by == nil {
				by = map[hlc.Timestamp]crdt.Actor{}
				stamps[r.Key()] = by
			}
			if a, ok := by[r.Stamp()]; ok && a != r.Dot().Actor {
				tie = true
			}
			by[r.Stamp()] = r.Dot().Actor
			return true
		})
	}
	for _, is := range []struct {
		so bool
		n  *int
	}{{tie, &c.ties}, {tombstone, &c.tombstones}, {collected, &c.collected}} {
		if is.so {
			*is.n++
		}
	}
}

// require fails the test unless ties and tombstones came up often enough.
func (c *shares) require(t *testing.T) {
	t.Logf("%d cases: %.1f %% with a tie, %.1f %% with a tombstone, %.1f %% with a horizon", c.cases, c.share(c.ties), c.share(c.tombstones), c.share(c.collected))
	if c.cases >= 200 {
		require.GreaterOrEqual(t, c.share(c.ties), 30.0, "share of cases with a tie")
		require.GreaterOrEqual(t, c.share(c.tombstones), 20.0, "share of cases with a tombstone")
	}
}

func (c *shares) share(n int) float64 { return 100 * float64(n) / float64(max(c.cases, 1)) }
