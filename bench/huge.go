package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/minikv/minikv"
)

// huge measures a node that holds more than its memory: ten times the keys of the other groups, with the default cache.
func huge(b *bench) error {
	const times = 10
	fill := figure{what: fmt.Sprintf("%s keys in batches of 1,000, unsynced", digits(float64(times*b.Keys))), unit: "keys/s"}
	peak := figure{what: "most resident memory of that process", unit: "MiB", bar: atMost(1024)}
	open := figure{what: "opening after a clean close", unit: "s", bar: atMost(2)}
	held := figure{what: "resident after opening and 100,000 random gets", unit: "MiB", bar: atMost(1024)}
	get := figure{what: "these gets, cold", unit: "/s"}
	crashed := figure{what: "opening after kill -9", unit: "s"}
	err := b.repeat(func() error {
		dir, err := os.MkdirTemp("", "minikv-bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		ask := HugeAsk{Dir: dir, Keys: times * b.Keys}
		var r HugeRates
		if err := b.inChild("GrowHuge", ask, &r); err != nil {
			return err
		}
		fill.add(r.Fill)
		peak.add(r.Peak)
		if err := b.inChild("OpenHuge", ask, &r); err != nil {
			return err
		}
		open.add(r.Open)
		held.add(r.Peak)
		get.add(r.Get)
		if err := b.inChild("OpenHuge", ask, &r); err != nil { // the one before was killed
			return err
		}
		crashed.add(r.Open)
		return nil
	})
	b.table.add(&fill, &peak, &open, &held, &get, &crashed)
	return err
}

// inChild calls a method of a process of its own, which is then killed.
func (b *bench) inChild(method string, ask HugeAsk, r *HugeRates) error {
	c, err := b.start(roleNode, "huge-"+method)
	if err != nil {
		return err
	}
	defer c.stop()
	return c.call(method, ask, r)
}

type HugeAsk struct {
	Dir  string
	Keys int
}

// HugeRates are per second, in seconds and in MiB.
type HugeRates struct{ Fill, Open, Get, Peak float64 }

func openHuge(dir string) (*minikv.Node, *minikv.Registry, error) {
	n, err := minikv.Open(context.Background(), dir, minikv.Config{Durability: minikv.DurabilityAsync})
	if err != nil {
		return nil, nil, err
	}
	r, err := n.Registry(context.Background(), "bench", minikv.Public())
	return n, r, err
}

// GrowHuge fills a directory and closes it.
func (s *nodeService) GrowHuge(ask HugeAsk, out *HugeRates) error {
	n, reg, err := openHuge(ask.Dir)
	if err != nil {
		return err
	}
	keys, batch, began := newKeyStream(1), reg.NewBatch(), time.Now()
	for i := range ask.Keys {
		batch.Put(keys.next(), s.values.at(i))
		if batch.Len() == 1000 || i == ask.Keys-1 {
			if _, err := batch.Commit(context.Background()); err != nil {
				return err
			}
		}
	}
	out.Fill = float64(ask.Keys) / time.Since(began).Seconds()
	out.Peak = peakResident()
	return n.Close()
}

// OpenHuge opens it, reads here and there, and does not close it.
func (s *nodeService) OpenHuge(ask HugeAsk, out *HugeRates) error {
	began := time.Now()
	_, reg, err := openHuge(ask.Dir)
	if err != nil {
		return err
	}
	out.Open = time.Since(began).Seconds()
	gets := min(100_000, ask.Keys)
	var some []string
	for i, keys := 0, newKeyStream(1); i < ask.Keys; i++ {
		if key := keys.next(); i%(ask.Keys/gets) == 0 {
			some = append(some, strings.Clone(key))
		}
	}
	some = shuffled(some, 2)
	began = time.Now()
	for _, k := range some {
		if _, err := reg.Get(context.Background(), k); err != nil {
			return err
		}
	}
	out.Get = float64(len(some)) / time.Since(began).Seconds()
	out.Peak = peakResident()
	return nil
}

// peakResident is the most memory that the process has ever had, in MiB; zero where the system does not tell.
func peakResident() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}
