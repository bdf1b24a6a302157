package main

import (
	"fmt"

	"github.com/minikv/minikv"
)

const (
	differing = 10
	// differTries bounds the attempts to have the exchange that settles the difference be one whose figures are returned.
	differTries = 20
)

// differ measures the exchange of two nodes with all keys, ten of which differ: each took five puts while they were
// apart. Then the exchange when nothing is to be done. Bytes are of both directions, counted on the stream.
func differ(b *bench) error {
	what := fmt.Sprintf("%s entries, %d differ: ", digits(float64(b.Keys)), differing)
	bytes := figure{what: what + "bytes beyond keys and values", unit: "bytes", bar: atMost(4096)}
	rounds := figure{what: what + "round trips", unit: "", bar: atMost(3)}
	took := figure{what: what + "time of the exchange", unit: "ms"}
	idle := figure{what: "nothing to do: bytes per session", unit: "bytes", bar: atMost(200)}
	err := b.differRuns(func(d, e minikv.SyncStats) {
		bytes.add(float64(d.BytesIn + d.BytesOut - differing*payload))
		rounds.add(float64(d.Rounds))
		took.add(millis(d.Took))
		idle.add(float64(e.BytesIn + e.BytesOut))
	})
	b.table.add(&bytes, &rounds, &took, &idle)
	return err
}

// differRuns makes two equal nodes once and parts them again and again.
func (b *bench) differRuns(add func(differs, equal minikv.SyncStats)) error {
	full, empty, root, stop, err := b.fullAndEmpty("differ")
	if err != nil {
		return err
	}
	defer stop()
	if err := full.call("Connect", empty.Identity, &None{}); err != nil {
		return err
	}
	if err := empty.call("AwaitRoot", root, &None{}); err != nil {
		return err
	}
	seed := uint64(500)
	return b.repeat(func() error {
		for range differTries {
			seed += 2
			d, err := b.partAndMeet(full, empty, seed)
			if err != nil {
				return err
			}
			if d.Sent+d.Received < differing {
				continue // the nodes had their own exchange first
			}
			var e minikv.SyncStats
			err = full.call("Sync", SyncAsk{Peer: empty.ID}, &e)
			add(d, e)
			return err
		}
		return fmt.Errorf("in %d meetings the nodes were always quicker than the call of SyncPeer", differTries)
	})
}

// partAndMeet parts two nodes, writes five keys on each, and exchanges as soon as they meet.
func (b *bench) partAndMeet(a, z *node, seed uint64) (d minikv.SyncStats, err error) {
	steps := []func() error{
		func() error { return a.call("Disconnect", z.Identity, &None{}) },
		func() error { return z.call("Disconnect", a.Identity, &None{}) },
		func() error { return a.call("Fill", Fill{Seed: seed, Keys: differing / 2}, &Filled{}) },
		func() error { return z.call("Fill", Fill{Seed: seed + 1, Keys: differing / 2}, &Filled{}) },
		func() error { return a.call("Connect", z.Identity, &None{}) },
		func() error { return a.call("Sync", SyncAsk{Peer: z.ID, Wait: true}, &d) },
	}
	for _, s := range steps {
		if err := s(); err != nil {
			return d, err
		}
	}
	return d, nil
}
