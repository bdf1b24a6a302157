package lwwmap_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write docs/merge-table.md anew")

// view is what a side has to say of the other side's entry.
type view int

const (
	unseen view = iota
	seenAbove
	seenUnder
)

func (v view) String() string {
	return [...]string{"not seen", "seen, above its horizon", "seen, not above its horizon"}[v]
}

// item is an entry of the key with the given stamp.
func item(actor crdt.Actor, stamp hlc.Timestamp) lwwmap.Item {
	return lwwmap.Item{Dot: crdt.Dot{Actor: actor, Seq: 1}, Order: lwwmap.Order{Stamp: stamp, Actor: actor}, Hash: lwwmap.Digest{byte(actor)}}
}

// side is a replica that holds mine, if any, and views the entry of order o so.
func side(mine *lwwmap.Item, v view, o lwwmap.Order) lwwmap.Side {
	s := lwwmap.Side{Seen: v != unseen}
	if mine != nil {
		s.Holds, s.Held = true, *mine
	}
	switch v {
	case seenAbove:
		s.Horizon = lwwmap.Order{Stamp: o.Stamp - 1}
	case seenUnder:
		s.Horizon = o // "at or under": the entry itself may have set it
	}
	return s
}

var high, low = item(1, 20), item(2, 10)

// both resolves a key of which A holds the higher entry and B the lower one.
func both(ofA, ofB view) lwwmap.Choice {
	return lwwmap.Resolve(side(&high, ofA, low.Order), side(&low, ofB, high.Order))
}

// one resolves a key of which only A holds an entry.
func one(ofB view) lwwmap.Choice {
	return lwwmap.Resolve(side(&high, unseen, high.Order), side(nil, ofB, high.Order))
}

func TestTruthTable(t *testing.T) {
	require.Equal(t, lwwmap.Neither, lwwmap.Resolve(lwwmap.Side{}, lwwmap.Side{}))
	require.Equal(t, lwwmap.First, one(unseen))
	require.Equal(t, lwwmap.First, one(seenAbove))
	require.Equal(t, lwwmap.Neither, one(seenUnder))
	for _, c := range []struct {
		ofA, ofB view
		want     lwwmap.Choice
	}{
		{unseen, unseen, lwwmap.First},
		{unseen, seenAbove, lwwmap.First},
		{unseen, seenUnder, lwwmap.Second}, // the lower: the higher one was deleted there, and that forgotten
		{seenAbove, unseen, lwwmap.First},
		{seenAbove, seenAbove, lwwmap.First},
		{seenAbove, seenUnder, lwwmap.Neither},
		{seenUnder, unseen, lwwmap.First},
		{seenUnder, seenAbove, lwwmap.First},
		{seenUnder, seenUnder, lwwmap.Neither},
	} {
		require.Equal(t, c.want, both(c.ofA, c.ofB), "A on B's: %s, B on A's: %s", c.ofA, c.ofB)
	}
	same := side(&high, unseen, high.Order)
	require.Equal(t, lwwmap.Both, lwwmap.Resolve(same, same))
}

// The same dot with different content comes from a writer that misbehaves: then
// nobody has overtaken anything, and the order decides.
func TestOneDotWithTwoContents(t *testing.T) {
	other := high
	other.Hash[5]++
	for _, v := range []view{unseen, seenAbove, seenUnder} {
		a, b := side(&high, v, other.Order), side(&other, v, high.Order)
		want := lwwmap.Second
		if high.Compare(other) > 0 {
			want = lwwmap.First
		}
		require.Equal(t, want, lwwmap.Resolve(a, b))
		require.Equal(t, lwwmap.First+lwwmap.Second-want, lwwmap.Resolve(b, a))
	}
}

// Whichever side asks, the same entry remains.
func TestResolveIsSymmetric(t *testing.T) {
	anyItem := rapid.Custom(func(t *rapid.T) lwwmap.Item {
		return lwwmap.Item{
			Dot:   crdt.Dot{Actor: crdt.Actor(rapid.IntRange(1, 2).Draw(t, "actor")), Seq: rapid.Uint64Range(1, 2).Draw(t, "seq")},
			Order: anyOrder().Draw(t, "order"), Hash: lwwmap.Digest{rapid.ByteRange(0, 1).Draw(t, "hash")},
		}
	})
	anySide := rapid.Custom(func(t *rapid.T) lwwmap.Side {
		return lwwmap.Side{
			Held: anyItem.Draw(t, "held"), Holds: rapid.Bool().Draw(t, "holds"), Seen: rapid.Bool().Draw(t, "seen"),
			Horizon: anyOrder().Draw(t, "horizon"),
		}
	})
	mirror := map[lwwmap.Choice]lwwmap.Choice{
		lwwmap.First: lwwmap.Second, lwwmap.Second: lwwmap.First, lwwmap.Both: lwwmap.Both, lwwmap.Neither: lwwmap.Neither,
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := anySide.Draw(t, "a"), anySide.Draw(t, "b")
		require.Equal(t, mirror[lwwmap.Resolve(a, b)], lwwmap.Resolve(b, a))
	})
}

// mergeTable is the document made from what Resolve and Compare say.
func mergeTable() string {
	var s strings.Builder
	s.WriteString(`# What a merge keeps

This file is made from the code: ` + "`go test ./lwwmap -run MergeTable -update`" + `.

## One key on two replicas

An entry may be a value or a tombstone: a tombstone counts like any other entry. *x* is the higher of two different entries, *y* the lower.
*Seen* means that the replica's context holds the write although the replica does not hold the entry any more, or never did. Its *horizon* is the
highest order of anything it has collected or expired. Replicas judge both sides as they stood before the merge, and come to the same result.

| A holds | B holds | A on B's entry | B on A's entry | what remains on both |
|---|---|---|---|---|
`)
	same := side(&high, unseen, high.Order)
	row := func(a, b, ofA, ofB string, c lwwmap.Choice, first, second string) {
		rest := map[lwwmap.Choice]string{lwwmap.First: first, lwwmap.Second: second, lwwmap.Both: first, lwwmap.Neither: "nothing"}[c]
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", a, b, ofA, ofB, rest)
	}
	row("x", "x", "–", "–", lwwmap.Resolve(same, same), "x", "x")
	for _, ofB := range []view{unseen, seenAbove, seenUnder} {
		row("x", "nothing", "–", ofB.String(), one(ofB), "x", "")
	}
	for _, ofA := range []view{unseen, seenAbove, seenUnder} {
		for _, ofB := range []view{unseen, seenAbove, seenUnder} {
			row("x", "y", ofA.String(), ofB.String(), both(ofA, ofB), "x", "y")
		}
	}
	s.WriteString(`
An entry that remains although the other side had seen it is one that no delete accounts for: that side has lost it, and takes it back.

## Which of two entries is higher

The first difference decides.

| difference | higher is |
|---|---|
`)
	for _, r := range orderRows() {
		fmt.Fprintf(&s, "| %s | %s |\n", r.what, r.higher())
	}
	return s.String()
}

// orderRow is a pair of entries whose first difference is one field. In all
// fields behind it, the second one is ahead.
type orderRow struct {
	what         string
	a, b         lwwmap.Item
	whenA, whenB string
}

func (r orderRow) higher() string {
	if r.a.Compare(r.b) > 0 {
		return r.whenA
	}
	return r.whenB
}

func orderRows() (rows []orderRow) {
	token := lwwmap.MakeToken
	var a, b lwwmap.Item
	add := func(what string, set func(), whenA, whenB string) {
		a, b = lwwmap.Item{}, lwwmap.Item{}
		b.Order = lwwmap.Order{Base: 9, Stamp: 9, Actor: 9}
		b.Dot, b.Hash = crdt.Dot{Actor: 9, Seq: 9}, lwwmap.Digest{9}
		set()
		rows = append(rows, orderRow{what, a, b, whenA, whenB})
	}
	equal := func(fields ...func()) {
		for _, f := range fields {
			f()
		}
	}
	fence := func() { a.Order.Fence, b.Order.Fence = lwwmap.Token{}, lwwmap.Token{} }
	base := func() { b.Order.Base = a.Order.Base }
	stamp := func() { b.Order.Stamp = a.Order.Stamp }
	actor := func() { b.Order.Actor, b.Dot.Actor = a.Order.Actor, a.Dot.Actor }
	seq := func() { b.Dot.Seq = a.Dot.Seq }
	add("one was written under a lease, or replaced such an entry", func() { a.Order.Fence = token(1, 1, 1) }, "that one", "the other")
	add("epoch of the lease", func() { a.Order.Fence, b.Order.Fence = token(2, 9, 9), token(1, 1, 1) }, "the higher epoch", "the lower epoch")
	add("claim of the lease", func() { a.Order.Fence, b.Order.Fence = token(1, 1, 9), token(1, 2, 1) }, "the earlier claim", "the later claim")
	add("owner of the lease", func() { a.Order.Fence, b.Order.Fence = token(1, 1, 1), token(1, 1, 2) }, "the lower owner", "the higher owner")
	add("base: the last write under that lease which was seen", func() { equal(fence); a.Order.Base = 10 }, "the later base", "the earlier base")
	add("stamp of the write", func() { equal(fence, base); a.Order.Stamp = 10 }, "the later write", "the earlier write")
	add("actor", func() { equal(fence, base, stamp); a.Order.Actor, a.Dot.Actor = 10, 10 }, "the higher actor", "the lower actor")
	add("number of the write (a writer that misbehaves)", func() { equal(fence, base, stamp, actor); a.Dot.Seq = 10 }, "the higher number", "the lower number")
	add("hash of the content (a writer that misbehaves)", func() { equal(fence, base, stamp, actor, seq); a.Hash[0] = 10 }, "the higher hash", "the lower hash")
	return rows
}

func TestTheMergeTableIsUpToDate(t *testing.T) {
	const file = "../docs/merge-table.md"
	want := mergeTable()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "make it anew: go test ./lwwmap -run MergeTable -update")
}

func TestTheOrderIsThatOfTheTable(t *testing.T) {
	for _, r := range orderRows() {
		require.Equal(t, r.whenA, r.higher(), r.what)
		require.Equal(t, 1, r.a.Compare(r.b))
		require.Equal(t, -1, r.b.Compare(r.a))
	}
}
