package replica_test

import (
	"errors"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// liar speaks frames of its own choice to a session of an honest node.
type liar struct {
	t testing.TB
	n *node
	s *replica.Session
}

// lieTo begins a session that the liar dials, or is dialled for.
func lieTo(n *node, dials bool) *liar {
	if dials {
		return &liar{n.t, n, n.Accept(n.now(), "liar")}
	}
	return &liar{n.t, n, n.Dial(n.now(), "liar")}
}

// say sends frames until one is refused.
func (l *liar) say(frames ...replica.Frame) error {
	for _, f := range frames {
		data, err := replica.EncodeFrame(nil, f)
		require.NoError(l.t, err)
		got, err := replica.DecodeFrame(data)
		if err != nil {
			return err
		}
		if err := l.s.Handle(l.n.now(), got); err != nil {
			return err
		}
	}
	return nil
}

// hear returns what the node has to say until it waits.
func (l *liar) hear() (frames []replica.Frame) {
	for {
		f, ok := l.s.Next(l.n.now())
		if !ok {
			return frames
		}
		frames = append(frames, f)
	}
}

func (l *liar) hello() *replica.Hello {
	return &replica.Hello{Version: replica.Version, Registry: "test", Clock: l.n.latest(), Wall: l.n.Now(l.n.now())}
}

// status is the last one among what was heard.
func (l *liar) status() *replica.Status {
	l.t.Helper()
	var last *replica.Status
	for _, f := range l.hear() {
		if s, ok := f.(*replica.Status); ok {
			last = s
		}
	}
	require.NotNil(l.t, last)
	return last
}

// agree answers the node's status with one that confirms it.
func (l *liar) agree() error {
	s := l.status()
	return l.say(&replica.Status{Root: s.Root, Round: s.Round, Sent: s.Got, Got: s.Sent})
}

// disagree answers it with one of another root.
func (l *liar) disagree() error {
	s := l.status()
	s.Root[0]++
	return l.say(&replica.Status{Root: s.Root, Round: s.Round, Sent: s.Got, Got: s.Sent})
}

// claim is a whole context.
func claim(spans ...crdt.Span) *replica.Contexts { return &replica.Contexts{Spans: spans, Last: true} }

func lastEntries(entries ...lwwmap.Entry) *replica.Entries {
	return &replica.Entries{Last: true, Entries: entries}
}

func (l *liar) state() replica.State {
	s, _ := l.s.State()
	return s
}

func TestALiarsContextIsTakenOnlyInAWholeSession(t *testing.T) {
	for _, dials := range []bool{true, false} {
		a := newNode(t, "a", 1)
		a.put("k", "v")
		l := lieTo(a, dials)
		ghost := crdt.Span{Actor: 5, Ranges: crdt.Ranges{{Lo: 1, Hi: 9}}}
		require.NoError(t, l.say(l.hello(), claim(ghost), lastEntries()))
		require.Zero(t, a.Map().Context().Max(5))
		require.NoError(t, l.agree())
		require.Equal(t, replica.Merged, l.state())
		require.EqualValues(t, 9, a.Map().Context().Max(5))
	}
}

// What the liar claims of this node's own writes makes it a new actor, so that
// its next write is not taken for seen.
func TestALiarsClaimOfOwnWritesCostsNoWrite(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	l := lieTo(a, true)
	all := crdt.Ranges{{Lo: 1, Hi: 1<<64 - 1}}
	require.NoError(t, l.say(l.hello(), claim(crdt.Span{Actor: a.Actor(), Ranges: all}), lastEntries()))
	require.NoError(t, l.agree())
	a.put("k", "w")
	require.EqualValues(t, 3, a.Map().Context().Max(a.Actor())) // origin, k again, k
	sync(t, b, a)
	require.Equal(t, "w", b.get("k"))
}

func TestAHorizonOutOfTheFutureIsRefused(t *testing.T) {
	now := hlc.FromTime(start)
	for name, h := range map[string]lwwmap.Order{
		"epoch":      {Fence: lwwmap.MakeToken(1<<63, 1, 1), Stamp: now, Base: now},
		"stamp":      {Stamp: hlc.Max},
		"base":       {Fence: lwwmap.MakeToken(1, 1, 1), Stamp: now, Base: now + 1},
		"far base":   {Fence: lwwmap.MakeToken(1, 1, 1), Stamp: now, Base: hlc.Max},
		"own clock":  {Stamp: now + 1}, // allowed, but ahead of what the peer's hello said
		"just ahead": {Stamp: hlc.FromTime(start.Add(hlc.DefaultMaxSkew)) + 1<<16},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newNode(t, "a", 1), newNode(t, "b", 2)
			l := lieTo(a, true)
			c := claim()
			c.Horizons[0] = h
			require.Error(t, l.say(l.hello(), c))
			a.put("k", "v")
			sync(t, a, b)
			require.Equal(t, "v", b.get("k"))
		})
	}
}

// The digest does not cover tombstones: equal roots do not say that all of them
// arrived.
func TestARefusedTombstoneIsNotTakenForSeen(t *testing.T) {
	gone := forge(lwwmap.Data, "k", "", liarActor, 1)
	gone.Deleted, gone.Stamp = true, hlc.FromTime(start.Add(2*time.Minute))
	seen := claim(crdt.Span{Actor: liarActor, Ranges: crdt.Ranges{{Lo: 1, Hi: 1}}})
	for _, dials := range []bool{true, false} {
		a := newNode(t, "a", 1)
		l := lieTo(a, dials)
		require.NoError(t, l.say(l.hello(), seen, lastEntries(gone)))
		require.NoError(t, l.agree())
		require.Equal(t, replica.Unverified, l.state())
		require.Zero(t, a.Map().Context().Max(liarActor))
		require.EqualValues(t, 1, l.s.Stats().Refused)

		a.elapsed = 2 * time.Minute // offered again, it is no longer ahead
		l = lieTo(a, dials)
		require.NoError(t, l.say(l.hello(), seen, lastEntries(gone)))
		require.NoError(t, l.agree())
		require.Equal(t, replica.Merged, l.state())
		require.Equal(t, 1, a.Map().Tombstones())
	}
}

func TestContextsAreBounded(t *testing.T) {
	t.Run("empty spans", func(t *testing.T) {
		l := lieTo(newNode(t, "a", 1), true)
		require.NoError(t, l.say(l.hello()))
		require.ErrorIs(t, l.say(&replica.Contexts{Spans: []crdt.Span{{Actor: 5}}}), replica.ErrProtocol)
	})
	t.Run("empty frames", func(t *testing.T) {
		l := lieTo(newNode(t, "a", 1), true)
		require.NoError(t, l.say(l.hello()))
		require.ErrorIs(t, l.say(&replica.Contexts{}), replica.ErrProtocol)
	})
	t.Run("too many ranges", func(t *testing.T) {
		replica.SetMaxContext(t, 1000)
		l := lieTo(newNode(t, "a", 1), true)
		require.NoError(t, l.say(l.hello()))
		var err error
		for i := uint64(0); err == nil && i < 1000; i++ {
			err = l.say(&replica.Contexts{Spans: []crdt.Span{{Actor: 5, Ranges: crdt.Ranges{{Lo: 4*i + 1, Hi: 4*i + 1}, {Lo: 4*i + 3, Hi: 4*i + 3}}}}})
		}
		require.ErrorIs(t, err, replica.ErrBounds)
	})
	t.Run("not canonical", func(t *testing.T) {
		l := lieTo(newNode(t, "a", 1), true)
		one := crdt.Ranges{{Lo: 1, Hi: 1}}
		require.ErrorIs(t, l.say(l.hello(), claim(crdt.Span{Actor: 5, Ranges: one}, crdt.Span{Actor: 4, Ranges: one})), replica.ErrProtocol)
	})
	t.Run("twice", func(t *testing.T) {
		l := lieTo(newNode(t, "a", 1), true)
		require.ErrorIs(t, l.say(l.hello(), claim(), claim()), replica.ErrProtocol)
	})
}

func TestFramesOutOfTurnEndTheSession(t *testing.T) {
	one := forge(lwwmap.Data, "k", "v", liarActor, 1)
	seen := claim(crdt.Span{Actor: liarActor, Ranges: crdt.Ranges{{Lo: 1, Hi: 1}}})
	opened := func(l *liar) []replica.Frame { return []replica.Frame{l.hello(), seen} }
	for name, c := range map[string]struct {
		dials bool
		say   func(*liar) []replica.Frame
	}{
		"contexts before hello": {true, func(l *liar) []replica.Frame { return []replica.Frame{claim()} }},
		"second hello":          {true, func(l *liar) []replica.Frame { return []replica.Frame{l.hello(), l.hello()} }},
		"entries before contexts": {true, func(l *liar) []replica.Frame {
			return []replica.Frame{l.hello(), lastEntries(one)}
		}},
		"entries after the last":  {true, func(l *liar) []replica.Frame { return append(opened(l), lastEntries(), lastEntries(one)) }},
		"no entries":              {true, func(l *liar) []replica.Frame { return append(opened(l), &replica.Entries{}) }},
		"tops before the last":    {true, func(l *liar) []replica.Frame { return append(opened(l), &replica.Tops{}) }},
		"tops from the dialled":   {false, func(l *liar) []replica.Frame { return append(opened(l), lastEntries(), &replica.Tops{}) }},
		"leaves from the dialler": {true, func(l *liar) []replica.Frame { return append(opened(l), lastEntries(), &replica.Leaves{}) }},
		"leaves unasked":          {false, func(l *liar) []replica.Frame { return append(opened(l), lastEntries(), &replica.Leaves{}) }},
		"items unasked":           {true, func(l *liar) []replica.Frame { return append(opened(l), lastEntries(), &replica.Items{Last: true}) }},
		"items unasked, dialled":  {false, func(l *liar) []replica.Frame { return append(opened(l), lastEntries(), &replica.Items{Last: true}) }},
		"equal after contexts":    {true, func(l *liar) []replica.Frame { return append(opened(l), &replica.Finish{State: replica.Equal}) }},
		"equal from the dialled": {false, func(l *liar) []replica.Frame {
			return []replica.Frame{l.hello(), &replica.Finish{State: replica.Equal}}
		}},
		"merged":             {true, func(l *liar) []replica.Frame { return append(opened(l), &replica.Finish{State: replica.Merged}) }},
		"equal before hello": {true, func(l *liar) []replica.Frame { return []replica.Frame{&replica.Finish{State: replica.Equal}} }},
		"failed": {true, func(l *liar) []replica.Frame {
			return []replica.Frame{&replica.Finish{State: replica.Failed, Why: "because"}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newNode(t, "a", 1)
			a.put("k", "own")
			l := lieTo(a, c.dials)
			require.Error(t, l.say(c.say(l)...))
			require.Equal(t, replica.Failed, l.state())
			heard := l.hear()
			end, ok := heard[len(heard)-1].(*replica.Finish)
			require.True(t, ok, "the peer is told why")
			require.Equal(t, replica.Failed, end.State)
			require.Empty(t, l.hear())
			require.Zero(t, a.Map().Context().Max(liarActor))
			require.EqualValues(t, 1, a.Stats().Sessions.Failed)
		})
	}
}

// isProtocol says whether an error is one by which a peer is told off.
func isProtocol(err error) bool {
	return errors.Is(err, replica.ErrProtocol) || errors.Is(err, replica.ErrBounds) || errors.Is(err, replica.ErrVersion)
}
