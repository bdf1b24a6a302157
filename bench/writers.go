package main

import (
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	writerNodes   = 5
	writesEach    = 2000
	contendedKeys = 1000
)

// writers measures five connected processes that each write 2,000 times to the same 1,000 keys, as fast as they can,
// until all five roots are equal.
func writers(b *bench) error {
	for _, batch := range []int{1, 1000} {
		how := "one by one"
		if batch > 1 {
			how = fmt.Sprintf("batches of %d", batch)
		}
		f := figure{what: fmt.Sprintf("five processes, %d writes to %d keys at once, %s, to equal roots", writerNodes*writesEach, contendedKeys, how), unit: "s", bar: atMost(1)}
		err := b.repeat(func() error {
			took, err := b.contend(batch)
			f.add(took.Seconds())
			return err
		})
		b.table.add(&f)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) contend(batch int) (time.Duration, error) {
	nodes, stop, err := b.openMesh(writerNodes, "writers")
	if err != nil {
		return 0, err
	}
	defer stop()
	var g errgroup.Group
	start := time.Now()
	for i, n := range nodes {
		g.Go(func() error {
			return n.call("Fill", Fill{Seed: 9, Keys: contendedKeys, Writes: writesEach, Batch: batch, Order: uint64(i + 1)}, &Filled{})
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	for deadline := start.Add(b.Limit); ; {
		same, err := equalRoots(nodes)
		if err != nil || same {
			return time.Since(start), err
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%w after %v: the roots differ", errNotFinished, b.Limit)
		}
		time.Sleep(time.Millisecond)
	}
}

func equalRoots(nodes []*node) (bool, error) {
	var first string
	for i, n := range nodes {
		var root string
		if err := n.call("Root", None{}, &root); err != nil {
			return false, err
		}
		if i == 0 {
			first = root
		} else if root != first {
			return false, nil
		}
	}
	return true, nil
}
