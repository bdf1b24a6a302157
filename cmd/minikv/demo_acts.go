package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
	"time"

	"github.com/minikv/minikv/cmd/minikv/demodata"
)

// Keys that the tour fights over; all are in the excerpt and in the full data set.
const (
	keyEdited  = "city/DE/Hamburg/1"
	keyDelWins = "city/JP/Kyoto/1"
	keyPutWins = "city/FR/Lyon/1"
	keyDeleted = "city/NO/Oslo/1"
	bulkWrites = 500
)

// meet introduces the nodes.
func (d *demo) meet(context.Context) error {
	d.title("1. Three nodes")
	d.say("Each has its own identity, holds the whole registry %q, and may write at any time.", demoRegistry)
	for _, c := range d.mesh.cities {
		d.say("  %-10s %s", c.name, c.node.ID())
	}
	return d.done()
}

// fill imports the data on one node and waits for it on the others.
func (d *demo) fill(ctx context.Context, records iter.Seq2[demodata.Record, error]) error {
	first := d.mesh.cities[0]
	d.title("2. The cities of the world, imported on " + first.name)
	start, n := time.Now(), 0
	b := first.reg.NewBatch()
	for rec, err := range records {
		if err != nil {
			return err
		}
		b.Put(rec.Key, rec.Value)
		if n++; b.Len() == batchRecords {
			if _, err := b.Commit(ctx); err != nil {
				return err
			}
		}
	}
	if _, err := b.Commit(ctx); err != nil {
		return err
	}
	took := time.Since(start)
	if _, err := d.mesh.equal(ctx, d.mesh.cities...); err != nil {
		return err
	}
	d.say("%s cities written in %s, and on all three nodes %s after the first write:", count(n), round(took), round(time.Since(start)))
	return d.rows(ctx)
}

// rows prints what each node holds.
func (d *demo) rows(ctx context.Context) error {
	for _, c := range d.mesh.cities {
		n, err := c.reg.Len(ctx)
		if err != nil {
			return err
		}
		d.say("  %-10s %9s keys  root %s", c.name, count(n), c.reg.Root())
	}
	return d.done()
}

// partition cuts one node off and lets both sides fight.
func (d *demo) partition(ctx context.Context) error {
	a, b, c := d.mesh.cities[0], d.mesh.cities[1], d.mesh.cities[2]
	if err := d.mesh.cut(ctx, c); err != nil {
		return err
	}
	d.title(fmt.Sprintf("4. %s is cut off, and everybody goes on", c.name))
	if err := d.bulk(ctx, b, c); err != nil {
		return err
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error {
			return d.conflict(ctx, keyEdited, "edited on both sides", d.put(b, keyEdited, "Moin"), d.put(c, keyEdited, "Ahlan"))
		},
		func(ctx context.Context) error {
			return d.conflict(ctx, keyDelWins, "edited, later deleted", d.put(b, keyDelWins, "opera season"), d.del(c, keyDelWins))
		},
		func(ctx context.Context) error {
			return d.conflict(ctx, keyPutWins, "deleted, later edited", d.del(b, keyPutWins), d.put(c, keyPutWins, "carnival"))
		},
		func(ctx context.Context) error {
			return d.conflict(ctx, keyDeleted, "deleted, untouched there", d.del(a, keyDeleted), nil)
		},
		d.lockBoth,
	}
	for _, s := range steps {
		if err := s(ctx); err != nil {
			return err
		}
	}
	if _, err := d.mesh.equal(ctx, a, b); err != nil {
		return err
	}
	d.say("The two sides differ now:")
	return d.rows(ctx)
}

// bulk writes keys that the other side does not touch, on both sides at once.
func (d *demo) bulk(ctx context.Context, sides ...*city) error {
	var wg sync.WaitGroup
	errs := make([]error, len(sides))
	for i, s := range sides {
		wg.Go(func() {
			for n := range bulkWrites {
				_, err := s.reg.Put(ctx, fmt.Sprintf("visit/%s/%03d", s.name, n), []byte("hello"))
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	wg.Wait()
	d.say("%s and %s write %d keys each, of their own", sides[0].name, sides[1].name, bulkWrites)
	return errors.Join(errs...)
}

// heal brings the link back.
func (d *demo) heal(ctx context.Context) error {
	a, b, c := d.mesh.cities[0], d.mesh.cities[1], d.mesh.cities[2]
	d.title(fmt.Sprintf("5. The link to %s is back", c.name))
	wctx, stop := context.WithTimeout(ctx, demoWait)
	defer stop()
	overlap := d.overlapOn(wctx, c)
	start := time.Now()
	if err := d.mesh.relink(ctx, c); err != nil {
		return err
	}
	if _, err := d.mesh.equal(ctx, a, b, c); err != nil {
		return err
	}
	d.say("All three are equal %s after the first dial.", round(time.Since(start)))
	if err := d.loserIsTold(ctx); err != nil {
		return err
	}
	if ev, ok := <-overlap; ok {
		d.say("Both held it for %s: that is reported, too.", round(ev.Overlap))
	}
	// The loser's release is an entry, too.
	_, err := d.mesh.equal(ctx, a, b, c)
	return errors.Join(err, d.done())
}

// sum shows what every conflict decided, and that all nodes agree.
func (d *demo) sum(ctx context.Context) error {
	d.title("6. What was decided, the same on every node")
	for _, cs := range d.cases {
		v, err := d.judge(ctx, cs)
		if err != nil {
			return err
		}
		d.say("  %-20s %s", cs.key, cs.what)
		d.say("  %20s now %s", "", v.now)
		d.say("  %20s why %s", "", v.why)
	}
	if err := d.bulkIsThere(ctx); err != nil {
		return err
	}
	d.title("7. The three root digests")
	if err := d.rows(ctx); err != nil {
		return err
	}
	for _, c := range d.mesh.cities {
		m := c.reg.Metrics()
		d.say("  %-10s %s tombstones, %s entries of others merged, %s exchanges verified",
			c.name, count(m.Tombstones), count(m.Merged), count(m.Syncs))
	}
	root := d.mesh.cities[0].reg.Root()
	for _, c := range d.mesh.cities {
		if c.reg.Root() != root {
			return fmt.Errorf("%s differs; please report this", c.name)
		}
	}
	d.say("Equal. Now yours: %s serve --public %s", programName(os.Args[0]), demoRegistry)
	return d.done()
}

// bulkIsThere makes sure that no write of either side was lost.
func (d *demo) bulkIsThere(ctx context.Context) error {
	for _, c := range d.mesh.cities {
		n := 0
		for _, err := range c.reg.Keys(ctx, "visit/") {
			if err != nil {
				return err
			}
			n++
		}
		if n != 2*bulkWrites {
			return fmt.Errorf("%s has %d of %d visits; please report this", c.name, n, 2*bulkWrites)
		}
	}
	d.say("  %-20s all %d there on all nodes: none lost", "visit/…", 2*bulkWrites)
	return nil
}

func round(t time.Duration) time.Duration {
	if t > time.Second {
		return t.Round(10 * time.Millisecond)
	}
	return t.Round(100 * time.Microsecond)
}
