package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
)

// Usage is memory in bytes.
type Usage struct {
	Heap     int64 // live, after a collection
	Resident int64 // of the process, as the system counts it
}

// memory measures what an entry costs beyond its key and value, in a process that does nothing else.
func memory(b *bench) error {
	ours := figure{what: "memory beyond key and value, per entry", unit: "bytes", bar: atMost(160), note: "live heap; floor: tidwall/btree"}
	bare := figure{what: "the same of a Go map", unit: "bytes"}
	rss := figure{what: "resident, per entry", unit: "bytes", note: "of the whole process after one collection; key and value included"}
	err := b.repeat(func() error {
		n, err := b.grow("GrowNode")
		if err != nil {
			return err
		}
		t, err := b.grow("GrowTree")
		if err != nil {
			return err
		}
		m, err := b.grow("GrowMap")
		if err != nil {
			return err
		}
		each := func(x int64) float64 { return float64(x) / float64(b.Keys) }
		ours.addPair(each(n.Heap)-payload, each(t.Heap)-payload)
		bare.add(each(m.Heap) - payload)
		rss.addPair(each(n.Resident), each(t.Resident))
		return nil
	})
	b.table.add(&ours, &bare, &rss)
	return err
}

// grow starts a child and has it grow by b.Keys entries.
func (b *bench) grow(method string) (u Usage, err error) {
	c, err := b.start(roleNode, "memory-"+method)
	if err != nil {
		return u, err
	}
	defer c.stop()
	return u, c.call(method, b.Keys, &u)
}

// GrowNode fills a node without peers and says what that took.
func (s *nodeService) GrowNode(n int, out *Usage) error {
	reg, done, err := offline()
	if err != nil {
		return err
	}
	defer done()
	return grow(n, out, func(key string, value []byte) error {
		_, err := reg.Put(context.Background(), key, value)
		return err
	})
}

// GrowTree does the same with the bare B-tree.
func (s *nodeService) GrowTree(n int, out *Usage) error {
	f := &treeFloor{}
	defer runtime.KeepAlive(f)
	return grow(n, out, func(key string, value []byte) error { f.put(key, bytes.Clone(value)); return nil })
}

// GrowMap does the same with the bare map.
func (s *nodeService) GrowMap(n int, out *Usage) error {
	f := newMapFloor()
	defer runtime.KeepAlive(f)
	return grow(n, out, func(key string, value []byte) error { f.put(key, bytes.Clone(value)); return nil })
}

// grow puts n new keys, each made just before and not kept here, and measures before and after.
func grow(n int, out *Usage, put func(string, []byte) error) error {
	values, keys := newValuePool(), newKeyStream(1)
	before := measure()
	for i := range n {
		if err := put(keys.next(), values.at(i)); err != nil {
			return err
		}
	}
	after := measure()
	*out = Usage{Heap: after.Heap - before.Heap, Resident: after.Resident - before.Resident}
	runtime.KeepAlive(values)
	return nil
}

func measure() Usage {
	runtime.GC()
	runtime.GC() // the first one may have only finished a running one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{Heap: int64(m.HeapAlloc), Resident: resident()}
}

// resident is zero where the system does not tell.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
