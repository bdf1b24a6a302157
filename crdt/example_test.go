package crdt_test

import (
	"fmt"

	"github.com/minikv/minikv/crdt"
)

// A replica receives the writes 1, 2 and 4 of one actor and compares with a peer that has seen the first five.
func Example() {
	const alice crdt.Actor = 0xa1
	var mine, peer crdt.Context
	for _, seq := range []uint64{1, 2, 4} {
		mine.Add(crdt.Dot{Actor: alice, Seq: seq})
	}
	peer.AddRanges(alice, crdt.Ranges{{Lo: 1, Hi: 5}})

	fmt.Println("mine", &mine)
	fmt.Println("missing", peer.Sub(&mine))
	mine.Join(&peer)
	fmt.Println("joined", &mine, mine.Equal(&peer), "next", mine.Next(alice))
	// Output:
	// mine {00000000000000a1:1-2,4}
	// missing [{00000000000000a1 3,5}]
	// joined {00000000000000a1:1-5} true next 6
}

func ExampleFromSpans() {
	_, err := crdt.FromSpans([]crdt.Span{{Actor: 0xa1, Ranges: crdt.Ranges{{Lo: 1, Hi: 3}, {Lo: 4, Hi: 9}}}})
	fmt.Println(err)
	// Output: crdt: context: actor 00000000000000a1: range 4-9 touches the one before it, 1-3; they must be one range
}

func ExampleRanges() {
	var r crdt.Ranges
	r = r.Add(1, 3)
	r = r.Add(7, 9)
	fmt.Println(r, r.Has(5), r.Count(), r.Max())
	fmt.Println(r.Union(crdt.Ranges{{Lo: 4, Hi: 6}}), r.Sub(crdt.Ranges{{Lo: 2, Hi: 8}}), r.Intersect(crdt.Ranges{{Lo: 2, Hi: 8}}))
	// Output:
	// 1-3,7-9 false 6 9
	// 1-9 1,9 2-3,7-8
}

func ExampleParseDot() {
	d, err := crdt.ParseDot("00000000000000a1:42")
	fmt.Println(uint64(d.Actor), d.Seq, err)
	_, err = crdt.ParseDot("00000000000000a1:0")
	fmt.Println(err)
	// Output:
	// 161 42 <nil>
	// crdt: dot "00000000000000a1:0": sequence "0" is not a decimal number from 1 to 18446744073709551615
}
