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
		require.EqualValues(t, 1, a.Stats().Refused.Forged)
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
	d := delta(forge(lwwmap.Data, "x", "y", liarActor, 1), forge(lwwmap.Origin, originKey(b.Actor()), "liar", b.Actor(), 1))
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
	good := forge(lwwmap.Origin, originKey(liarActor), "liar", liarActor, 1)
	for name, spoil := range map[string]func(*lwwmap.Entry){
		"later seq":  func(e *lwwmap.Entry) { e.Dot.Seq = 2 },
		"deleted":    func(e *lwwmap.Entry) { e.Deleted, e.Value = true, nil },
		"expires":    func(e *lwwmap.Entry) { e.Expires = 1 << 62 },
		"fenced":     func(e *lwwmap.Entry) { e.Fence = lwwmap.MakeToken(1, 1, 1) },
		"based":      func(e *lwwmap.Entry) { e.Base = 1 },
		"no peer":    func(e *lwwmap.Entry) { e.Value = nil },
		"other key":  func(e *lwwmap.Entry) { e.Key = originKey(liarActor + 1) },
		"short key":  func(e *lwwmap.Entry) { e.Key = "k" },
		"other peer": func(e *lwwmap.Entry) { e.Value = []byte("somebody") },
	} {
		t.Run(name, func(t *testing.T) {
			e := good
			spoil(&e)
			a := newNode(t, "a", 1)
			require.Error(t, a.Receive(a.now(), "liar", "liar", delta(e)).Refused)
			require.EqualValues(t, 1, a.Stats().Refused.Forged)
			require.Empty(t, a.Writer(liarActor))
		})
	}
	a := newNode(t, "a", 1)
	require.NoError(t, a.Receive(a.now(), "liar", "liar", delta(good)).Refused)
	require.Equal(t, "liar", a.Writer(liarActor))
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
	const claims = 1000
	for range claims {
		a.Receive(a.now(), "a", "b", &replica.Delta{Actor: a.Actor(), Announced: crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}})
	}
	require.EqualValues(t, claims, a.Stats().Forks)
	require.LessOrEqual(t, a.Map().Context().Count(), uint64(101*(replica.MaxForks+1)+claims))
	a.put("0", "w")
	require.Equal(t, "w", a.get("0"))
}
