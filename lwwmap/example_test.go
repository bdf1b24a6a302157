package lwwmap_test

import (
	"fmt"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Two replicas write the same key without having heard of each other. Joined
// either way, both hold the later write.
func ExampleMap_Join() {
	write := func(m *lwwmap.Map, actor crdt.Actor, at hlc.Timestamp, value string) {
		m.Write(lwwmap.Entry{
			Kind: lwwmap.Data, Key: "colour", Value: []byte(value),
			Dot: crdt.Dot{Actor: actor, Seq: 1}, Stamp: at,
		})
	}
	a, b := lwwmap.New(nil), lwwmap.New(nil)
	write(a, 1, 10, "red")
	write(b, 2, 11, "blue")
	a.Join(b)
	b.Join(a)
	fmt.Printf("%s %s %t\n", a.Get(lwwmap.Data, "colour").Value(), b.Get(lwwmap.Data, "colour").Value(), a.Equal(b))
	// Output: blue blue true
}

// A delete stays a delete although its tombstone is thrown away: the context
// remembers that the value was seen.
func ExampleMap_Collect() {
	a := lwwmap.New(nil)
	a.Write(lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Value: []byte("v"), Dot: crdt.Dot{Actor: 1, Seq: 1}, Stamp: 10})
	b := a.Clone()
	a.Write(lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Deleted: true, Dot: crdt.Dot{Actor: 1, Seq: 2}, Stamp: 20})
	fmt.Println("collected:", a.Collect(30, 100), "left:", a.Tombstones())
	a.Join(b) // b still holds the value
	fmt.Println("held:", !a.Get(lwwmap.Data, "k").IsZero())
	// Output:
	// collected: 1 left: 0
	// held: false
}

func ExampleMap_Ascend() {
	m := lwwmap.New(nil)
	for i, key := range []string{"pear", "apple", "plum", "fig"} {
		m.Write(lwwmap.Entry{Kind: lwwmap.Data, Key: key, Dot: crdt.Dot{Actor: 1, Seq: uint64(i + 1)}, Stamp: hlc.Timestamp(i + 1)})
	}
	m.Ascend(lwwmap.Data, "b", "pf", func(r lwwmap.Record) bool {
		fmt.Println(r.Key())
		return true
	})
	// Output:
	// fig
	// pear
}

func ExampleToken() {
	first := lwwmap.MakeToken(5, 100, 0xa)
	later := lwwmap.MakeToken(5, 200, 0xb)
	next := lwwmap.MakeToken(6, 300, 0xb)
	fmt.Println("inside an epoch the earlier claim beats:", first.Compare(later) > 0)
	fmt.Println("a higher epoch beats:", next.Compare(first) > 0)
	fmt.Println(next)
	// Output:
	// inside an epoch the earlier claim beats: true
	// a higher epoch beats: true
	// 0000000000000006fffffffffffffed3fffffffffffffff4
}
