package main

import (
	"fmt"
	"time"

	"github.com/minikv/minikv"
)

// private measures what encryption and authentication cost: the same work in a private registry and, in the place of a
// floor, in a public one, one run after the other.
func private(b *bench) error {
	for _, batch := range []int{1000, 1} {
		if err := b.privateTransfer(batch); err != nil {
			return err
		}
	}
	if err := b.privateJoin(); err != nil {
		return err
	}
	return b.privateIdle()
}

func (b *bench) privateTransfer(batch int) error {
	how := "one by one"
	if batch > 1 {
		how = fmt.Sprintf("batches of %d", batch)
	}
	what := fmt.Sprintf("private registry, two processes, %s new keys, %s, first put to equal roots", digits(float64(b.Keys)), how)
	f := figure{what: what, unit: "keys/s", bar: ratioAtLeast(0.85), note: "floor: the same in a public registry"}
	cpu := figure{what: "CPU of both processes for that, per key", unit: "us", note: "floor: public"}
	err := b.alternate(func(private bool) (rate, used float64, err error) {
		took, spent, err := b.transferOnce(b.Keys, batch, OpenAsk{Private: private})
		return float64(b.Keys) / took.Seconds(), float64(spent.Microseconds()) / float64(b.Keys), err
	}, &f, &cpu)
	b.table.add(&f, &cpu)
	return err
}

// alternate measures both kinds in each run, in turns first, so that neither has the warmer machine.
func (b *bench) alternate(once func(private bool) (x, y float64, err error), fx, fy *figure) error {
	first := false
	return b.repeat(func() error {
		var xs, ys [2]float64
		for i := range 2 {
			kind := 0
			if first == (i == 0) {
				kind = 1
			}
			var err error
			if xs[kind], ys[kind], err = once(kind == 1); err != nil {
				return err
			}
		}
		first = !first
		fx.addPair(xs[1], xs[0])
		fy.addPair(ys[1], ys[0])
		return nil
	})
}

func (b *bench) privateJoin() error {
	took := figure{what: "an empty node joins " + digits(float64(b.Keys)) + " keys of a private registry, to equal roots", unit: "s", note: "floor: of a public one"}
	cpu := figure{what: "CPU of both processes for that, per key", unit: "us", note: "floor: public"}
	err := b.alternate(func(private bool) (s, us float64, err error) {
		nodes, stop, err := b.openNodesIn(1, "private-join", OpenAsk{Private: private})
		if err != nil {
			return 0, 0, err
		}
		defer stop()
		var f Filled
		if err := nodes[0].call("Fill", Fill{Seed: 1, Keys: b.Keys, Batch: 1000}, &f); err != nil {
			return 0, 0, err
		}
		before, err := cpuOf(nodes...)
		if err != nil {
			return 0, 0, err
		}
		kids, stopJoiner, err := b.startAll(1, roleNode, "private-joiner")
		if err != nil {
			return 0, 0, err
		}
		defer stopJoiner()
		joiner, start := &node{child: kids[0]}, time.Now()
		steps := []func() error{
			func() error { return joiner.call("Open", OpenAsk{Ticket: nodes[0].Ticket}, &joiner.Identity) },
			func() error { return joiner.call("Connect", nodes[0].Identity, &None{}) },
			func() error { return joiner.call("AwaitRoot", f.Root, &None{}) },
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return 0, 0, err
			}
		}
		took := time.Since(start)
		after, err := cpuOf(nodes[0], joiner)
		return took.Seconds(), float64((after - before).Microseconds()) / float64(b.Keys), err
	}, &took, &cpu)
	b.table.add(&took, &cpu)
	return err
}

func (b *bench) privateIdle() error {
	idle := figure{what: "private registry, nothing to do: bytes per session", unit: "bytes", note: "floor: public"}
	rounds := figure{what: "round trips for that", unit: "", note: "floor: public"}
	err := b.alternate(func(private bool) (bytes, trips float64, err error) {
		nodes, stop, err := b.openMeshIn(2, "private-idle", OpenAsk{Private: private})
		if err != nil {
			return 0, 0, err
		}
		defer stop()
		var s minikv.SyncStats
		err = nodes[0].call("Sync", SyncAsk{Peer: nodes[1].ID}, &s)
		return float64(s.BytesIn + s.BytesOut), float64(s.Rounds), err
	}, &idle, &rounds)
	b.table.add(&idle, &rounds)
	return err
}
