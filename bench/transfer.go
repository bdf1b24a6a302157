package main

import (
	"fmt"
	"time"
)

// transfer measures new keys written on one of two connected processes, from the first put until the roots are equal.
// The floor is the same number of bytes over one bare libp2p stream: what the transport and two cores allow at all.
func transfer(b *bench) error { return b.transferRows(false, 150_000) }

// transferDurable does the same with a directory on both sides, and synced writes.
func transferDurable(b *bench) error { return b.transferRows(true, 80_000) }

func (b *bench) transferRows(durable bool, least float64) error {
	batches := []int{1000, 1}
	if durable {
		batches = batches[:1] // one by one it is the fsyncs that count
	}
	sizes := []int{b.Keys}
	if b.Keys > 10_000 {
		sizes = []int{10_000, b.Keys}
	}
	for _, n := range sizes {
		for _, batch := range batches {
			if err := b.transferRow(n, batch, durable, least); err != nil {
				return err
			}
		}
	}
	return nil
}

// perEntry is about what one entry takes on the wire: key, value, stamp and framing.
const perEntry = 140

func (b *bench) transferRow(n, batch int, durable bool, least float64) error {
	how := "one by one"
	if batch > 1 {
		how = fmt.Sprintf("batches of %d", batch)
	}
	who := "two processes"
	if durable {
		who = "two durable nodes"
	}
	f := figure{what: fmt.Sprintf(who+", %s new keys, %s, first put to equal roots", digits(float64(n)), how), unit: "keys/s", bar: atLeast(least), note: "floor: a bare stream"}
	cpu := figure{what: "CPU of both processes for that, per key", unit: "us"}
	err := b.repeat(func() error {
		took, used, err := b.transferOnce(n, batch, OpenAsk{Durable: durable})
		if err != nil {
			return err
		}
		floor, err := b.streamFloor(n * perEntry)
		if err != nil {
			return err
		}
		cpu.add(float64(used.Microseconds()) / float64(n))
		f.addPair(float64(n)/took.Seconds(), float64(n)/floor.Seconds())
		return nil
	})
	b.table.add(&f, &cpu)
	return err
}

func (b *bench) transferOnce(n, batch int, ask OpenAsk) (took, cpu time.Duration, err error) {
	nodes, stop, err := b.openMeshIn(2, "transfer", ask)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	before, err := cpuOf(nodes...)
	if err != nil {
		return 0, 0, err
	}
	var f Filled
	start := time.Now()
	if err := nodes[0].call("Fill", Fill{Seed: 1, Keys: n, Batch: batch}, &f); err != nil {
		return 0, 0, err
	}
	making := time.Since(start) - f.Took // of the keys, before the first put
	if err := nodes[1].call("AwaitRoot", f.Root, &None{}); err != nil {
		return 0, 0, err
	}
	took = time.Since(start) - making
	after, err := cpuOf(nodes...)
	return took, after - before, err
}
