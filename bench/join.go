package main

import (
	"fmt"
	"time"

	"github.com/minikv/minikv"
)

// join measures an empty node that meets one with all keys: on a quiet one until the roots are equal; and on one that
// takes a thousand puts per second meanwhile, how long those take. Their floor is the same load with nobody joining.
func join(b *bench) error {
	quiet := figure{what: "an empty node joins " + digits(float64(b.Keys)) + " keys, to equal roots", unit: "s", bar: atMost(5)}
	cpu := figure{what: "CPU of both processes for that, per key", unit: "us"}
	wire := figure{what: "bytes received for it, per key", unit: "bytes", note: fmt.Sprintf("of which %d are key and value", payload)}
	p99 := figure{what: "p99 of a put on the serving node meanwhile, 1,000 puts/s", unit: "ms", bar: atMost(5), note: "floor: nobody joins"}
	worst := figure{what: "the longest of these puts", unit: "ms"}
	busy := figure{what: "the join under that load, to the first verified exchange", unit: "s"}
	err := b.repeat(func() error {
		j, err := b.joinOnce()
		if err != nil {
			return err
		}
		quiet.add(j.took.Seconds())
		cpu.add(float64(j.cpu.Microseconds()) / float64(b.Keys))
		wire.add(float64(j.came) / float64(b.Keys))
		took, idle, loaded, err := b.joinUnderLoad()
		if err != nil {
			return err
		}
		busy.add(took.Seconds())
		p99.addPair(millis(loaded.P99), millis(idle.P99))
		worst.addPair(millis(loaded.Max), millis(idle.Max))
		return nil
	})
	b.table.add(&quiet, &cpu, &wire, &p99, &worst, &busy)
	return err
}

// fullAndEmpty starts two nodes that do not know each other, the first with all keys.
func (b *bench) fullAndEmpty(name string) (full, empty *node, root string, stop func(), err error) {
	nodes, stop, err := b.openNodes(2, name)
	if err != nil {
		return nil, nil, "", nil, err
	}
	var f Filled
	if err := nodes[0].call("Fill", Fill{Seed: 1, Keys: b.Keys, Batch: 1000}, &f); err != nil {
		stop()
		return nil, nil, "", nil, err
	}
	return nodes[0], nodes[1], f.Root, stop, nil
}

// joined is what one join took.
type joined struct {
	took, cpu time.Duration
	came      int64 // bytes
}

func (b *bench) joinOnce() (j joined, err error) {
	full, empty, root, stop, err := b.fullAndEmpty("join")
	if err != nil {
		return j, err
	}
	defer stop()
	before, err := cpuOf(full, empty)
	if err != nil {
		return j, err
	}
	start := time.Now()
	if err := empty.call("Connect", full.Identity, &None{}); err != nil {
		return j, err
	}
	if err := empty.call("AwaitRoot", root, &None{}); err != nil {
		return j, err
	}
	j.took = time.Since(start)
	if err := empty.call("AwaitSynced", 1, &None{}); err != nil { // what came is counted at the end of an exchange
		return j, err
	}
	after, err := cpuOf(full, empty)
	if err != nil {
		return j, err
	}
	j.cpu = after - before
	var m minikv.Metrics
	err = empty.call("Metrics", None{}, &m)
	j.came = m.SyncBytesIn
	return j, err
}

func (b *bench) joinUnderLoad() (took time.Duration, idle, loaded Latencies, err error) {
	full, empty, _, stop, err := b.fullAndEmpty("join-load")
	if err != nil {
		return 0, idle, loaded, err
	}
	defer stop()
	idle, err = underLoad(full, func() error { time.Sleep(3 * time.Second); return nil })
	if err != nil {
		return 0, idle, loaded, err
	}
	loaded, err = underLoad(full, func() error {
		start := time.Now()
		if err := empty.call("Connect", full.Identity, &None{}); err != nil {
			return err
		}
		err := empty.call("AwaitSynced", 1, &None{})
		took = time.Since(start)
		return err
	})
	return took, idle, loaded, err
}

// underLoad has n take puts while something happens.
func underLoad(n *node, something func() error) (l Latencies, err error) {
	if err := n.call("StartLoad", None{}, &None{}); err != nil {
		return l, err
	}
	if err := something(); err != nil {
		return l, err
	}
	return l, n.call("StopLoad", None{}, &l)
}
