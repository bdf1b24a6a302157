package replica_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

const liarActor crdt.Actor = 77

// forge is an entry as a liar may write it.
func forge(kind lwwmap.Kind, key, value string, actor crdt.Actor, seq uint64) lwwmap.Entry {
	return lwwmap.Entry{
		Kind: kind, Key: key, Value: []byte(value), Dot: crdt.Dot{Actor: actor, Seq: seq}, Stamp: hlc.FromTime(start),
	}
}

func originKey(a crdt.Actor) string { return string(binary.BigEndian.AppendUint64(nil, uint64(a))) }

// delta is a gossip message of the entries under their first one's actor.
func delta(entries ...lwwmap.Entry) *replica.Delta {
	d := &replica.Delta{Actor: entries[0].Dot.Actor, Entries: entries}
	for _, e := range entries {
		if e.Dot.Actor == d.Actor {
			d.Seqs = d.Seqs.Add(e.Dot.Seq, e.Dot.Seq)
		}
	}
	return d
}

func TestNobodyWritesUnderThisReplicasActor(t *testing.T) {
	for _, seq := range []uint64{3, 1000, math.MaxUint64} {
		a, b := newNode(t, "a", 1), newNode(t, "b", 2)
		a.put("k", "v")
		d := delta(forge(lwwmap.Data, "l", "w", liarActor, 1), forge(lwwmap.Data, "x", "forged", a.Actor(), seq))
		var forged *replica.ForgedError
		require.ErrorAs(t, a.Receive(a.now(), "liar", "liar", d).Refused, &forged)
		require.Equal(t, a.Actor(), forged.Actor)
		require.EqualValues(t, 1, a.Stats().Refused.Passed)
		require.Empty(t, a.get("x"))
		a.put("k", "after")
		require.EqualValues(t, 3, a.Map().Context().Max(a.Actor()))
		sync(t, a, b)
		require.Equal(t, "after", b.get("k"))
	}
}

func TestAStrangersDeltaUnderThisReplicasActorIsNoFork(t *testing.T) {
	a := newNode(t, "a", 1)
	a.put("k", "v")
	actor := a.Actor()
	d := &replica.Delta{Actor: actor, Seqs: crdt.Ranges{{Lo: 1, Hi: 99}}, Entries: []lwwmap.Entry{forge(lwwmap.Data, "x", "y", actor, 99)}}
	var forged *replica.ForgedError
	require.ErrorAs(t, a.Receive(a.now(), "liar", "liar", d).Refused, &forged)
	require.Equal(t, actor, a.Actor())
	require.Zero(t, a.Stats().Forks)

	require.NoError(t, a.Receive(a.now(), "a", "b", d).Refused) // signed by this node's own key: a copy of it
	require.NotEqual(t, actor, a.Actor())
	require.EqualValues(t, 1, a.Stats().Forks)
}

func TestNobodyClaimsAnothersActorByGossip(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	b.put("l", "w")
	theirs := b.Map().Get(lwwmap.Origin, originKey(b.Actor())).Entry()
	theirs.Value = append(theirs.Value[:16:16], "liar"...)
	d := delta(forge(lwwmap.Data, "x", "y", liarActor, 1), theirs)
	var forged *replica.ForgedError
	require.ErrorAs(t, a.Receive(a.now(), "liar", "liar", d).Refused, &forged)
	require.Empty(t, a.Writer(b.Actor()))
	gossip(t, b, a)
	require.Equal(t, "w", a.get("l"))
	require.Equal(t, "b", a.Writer(b.Actor()))
}

// A peer that claims a range under an actor that nobody has heard of yet could
// otherwise make what the true writer says look seen already.
func TestClaimsOfAnUnknownWriterAreNotBelieved(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.put("k", "v")
	d := delta(forge(lwwmap.Data, "x", "y", b.Actor(), 1_000_000))
	d.Seqs = crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}
	require.NoError(t, a.Receive(a.now(), "liar", "liar", d).Refused)
	require.EqualValues(t, 1, a.Map().Context().Count())
	gossip(t, b, a)
	require.Equal(t, "v", a.get("k"))
}

func TestOriginsAreWhatAnActorWritesFirst(t *testing.T) {
	good := replica.Origin("liar", [16]byte{1}, hlc.FromTime(start))
	actor := good.Dot.Actor
	for name, spoil := range map[string]func(*lwwmap.Entry){
		"later seq":   func(e *lwwmap.Entry) { e.Dot.Seq = 2 },
		"deleted":     func(e *lwwmap.Entry) { e.Deleted, e.Value = true, nil },
		"expires":     func(e *lwwmap.Entry) { e.Expires = 1 << 62 },
		"fenced":      func(e *lwwmap.Entry) { e.Fence = lwwmap.MakeToken(1, 1, 1) },
		"based":       func(e *lwwmap.Entry) { e.Base = 1 },
		"no value":    func(e *lwwmap.Entry) { e.Value = nil },
		"no peer":     func(e *lwwmap.Entry) { e.Value = e.Value[:16] },
		"other key":   func(e *lwwmap.Entry) { e.Key = originKey(actor + 1) },
		"other actor": func(e *lwwmap.Entry) { e.Key, e.Dot.Actor = originKey(actor+1), actor+1 },
		"short key":   func(e *lwwmap.Entry) { e.Key = "k" },
		"other peer":  func(e *lwwmap.Entry) { e.Value = append(e.Value[:16:16], "somebody"...) },
		"other nonce": func(e *lwwmap.Entry) { e.Value = append([]byte{2}, e.Value[1:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			e := good
			spoil(&e)
			a := newNode(t, "a", 1)
			require.Error(t, a.Receive(a.now(), "liar", "liar", delta(e)).Refused)
			require.EqualValues(t, 1, a.Stats().Refused.Forged)
			require.Empty(t, a.Writer(actor))
		})
	}
	a := newNode(t, "a", 1)
	require.NoError(t, a.Receive(a.now(), "liar", "liar", delta(good)).Refused)
	require.Equal(t, "liar", a.Writer(actor))
}

// A session brings entries of anybody's. A member that says there that an honest writer's actor is its own would
// have that writer's gossip refused as forged ever after.
func TestNobodyClaimsAnothersActorBySession(t *testing.T) {
	for _, despite := range []bool{false, true} {
		for _, before := range []bool{true, false} {
			a, b := newNode(t, "a", 1), newNode(t, "b", 2)
			b.put("k", "v")
			if before {
				gossip(t, b, a)
			}
			forged := b.Map().Get(lwwmap.Origin, originKey(b.Actor())).Entry()
			forged.Stamp++
			forged.Value = append(forged.Value[:16:16], "liar"...)
			l := lieTo(a, true)
			seen := claim(crdt.Span{Actor: b.Actor(), Ranges: crdt.Ranges{{Lo: 1, Hi: 1}}})
			require.NoError(t, l.say(l.hello(), seen))
			if despite {
				require.NoError(t, l.say(lastEntries()))
			}
			require.NoError(t, l.say(&replica.Entries{Despite: despite, Last: !despite, Entries: []lwwmap.Entry{forged}}))
			require.EqualValues(t, 1, a.Stats().Refused.Forged)
			b.put("k", "w")
			gossip(t, b, a)
			require.Equal(t, "w", a.get("k"))
			if before {
				require.Equal(t, "b", a.Writer(b.Actor()))
			}
		}
	}
}

// Nor can a member have an origin forgotten: nothing ever overtakes one.
func TestNobodyHasAnOriginForgotten(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.put("k", "v")
	gossip(t, b, a)
	now := hlc.FromTime(start)
	seen := claim(crdt.Span{Actor: b.Actor(), Ranges: crdt.Ranges{{Lo: 1, Hi: 2}}})
	seen.Horizons[lwwmap.Origin-lwwmap.Data] = lwwmap.Order{Stamp: now}
	l := lieTo(a, true)
	require.ErrorIs(t, l.say(l.hello(), seen), replica.ErrProtocol)

	seen.Horizons[lwwmap.Origin-lwwmap.Data] = lwwmap.Order{}
	seen.Horizons[0] = lwwmap.Order{Stamp: now}
	l = lieTo(a, true)
	require.NoError(t, l.say(l.hello(), seen, lastEntries()))
	require.Equal(t, "b", a.Writer(b.Actor()))
}

// An honest base is the stamp of a write that its writer had made or seen. One
// that lies ahead of the entry's own stamp would beat the holder's next writes.
func TestABaseAheadOfItsStampIsRefused(t *testing.T) {
	a := newNode(t, "a", 1)
	e := forge(lwwmap.Data, "k", "v", liarActor, 1)
	e.Fence, e.Base = lwwmap.MakeToken(1, 1, 1), e.Stamp+1
	require.Error(t, a.Receive(a.now(), "liar", "liar", delta(e)).Refused)
	require.EqualValues(t, 1, a.Stats().Refused.Malformed)
	e.Base = e.Stamp
	require.NoError(t, a.Receive(a.now(), "liar", "liar", delta(e)).Refused)
}

func TestARefusedEntryMovesNoClock(t *testing.T) {
	a := newNode(t, "a", 1)
	e := forge(lwwmap.Data, string(make([]byte, 2000)), "v", liarActor, 1)
	e.Stamp = hlc.FromTime(start.Add(30 * time.Second))
	require.Error(t, a.Receive(a.now(), "liar", "liar", delta(e)).Refused)
	require.Equal(t, hlc.FromTime(start), a.latest())
}

func TestAForkClaimedAgainAndAgainCostsLittle(t *testing.T) {
	a := newNode(t, "a", 1)
	for i := range 100 {
		a.put(fmt.Sprint(i), "v")
	}
	claim := func() error {
		return a.Receive(a.now(), "a", "b", &replica.Delta{Actor: a.Actor(), Announced: crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}}).Refused
	}
	for i := range 1000 {
		require.Equal(t, i >= replica.MaxForks, claim() != nil)
	}
	require.EqualValues(t, replica.MaxForks, a.Stats().Forks)
	require.EqualValues(t, 101*(replica.MaxForks+1), a.Map().Context().Count())
	a.put("0", "w")
	require.Equal(t, "w", a.get("0"))
	a.elapsed += time.Second
	require.NoError(t, claim())
	require.Error(t, claim())
}

// What an honest peer passes on of a forger, it cannot know to be forged.
func TestAForgersVictimIsNotBlamed(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	b.put("k", "w")
	d := delta(forge(lwwmap.Data, "l", "w", b.Actor(), 9), forge(lwwmap.Data, "x", "forged", a.Actor(), 1000))
	require.Error(t, a.Receive(a.now(), "b", "b", d).Refused)
	require.Zero(t, a.Stats().Refused.Forged)
	require.EqualValues(t, 1, a.Stats().Refused.Passed)
	require.Empty(t, a.get("x"))
}
