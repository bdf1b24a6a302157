package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/minikv/minikv"
)

// localFigures are the rows of one node without peers.
type localFigures struct {
	getCopy, getShared, getCopy2 figure
	putNew, putOver              figure
	batchNew, batchOver          figure
}

// local measures gets and puts of one node beside a map and a tree. Ours and the floors never share the heap.
func local(b *bench) error {
	f := localFigures{
		getCopy:   figure{what: "get, floor returns a copy", unit: "/s", bar: ratioAtLeast(0.7), note: "RWMutex and map; the caller owns the value, as with minikv"},
		getShared: figure{what: "get, floor returns the shared slice", unit: "/s", note: "minikv copies, the floor does not"},
		getCopy2:  figure{what: "get from two goroutines, floor returns a copy", unit: "/s"},
		putNew:    figure{what: "put of new keys", unit: "/s", bar: ratioAtLeast(0.6), note: "RWMutex and tidwall/btree that keeps the caller's slice"},
		putOver:   figure{what: "put over existing keys", unit: "/s", bar: ratioAtLeast(0.6), note: "the same"},
		batchNew:  figure{what: "new keys in batches of 1,000", unit: "/s", bar: ratioAtLeast(1.5), note: "beside our single puts"},
		batchOver: figure{what: "existing keys in batches of 1,000", unit: "/s", note: "beside our single puts"},
	}
	d := newLocalData(b.Keys)
	err := b.repeat(func() error { return b.localRun(d, &f) })
	b.table.add(&f.getCopy, &f.getShared, &f.getCopy2, &f.putNew, &f.putOver, &f.batchNew, &f.batchOver)
	return err
}

// localData is made once, before any time is taken. The keys that are looked up are copies of those that were stored, as
// in a program that gets them from elsewhere: equal pointers would spare a map the comparison.
type localData struct {
	keys, order, reorder []string // the same keys in three orders
	values               valuePool
}

func newLocalData(n int) localData {
	keys := makeKeys(1, n)
	return localData{keys: keys, order: cloned(shuffled(keys, 2)), reorder: cloned(shuffled(keys, 3)), values: newValuePool()}
}

func cloned(keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = strings.Clone(k)
	}
	return out
}

func (b *bench) localRun(d localData, f *localFigures) error {
	single, err := b.ourSingles(d)
	if err != nil {
		return err
	}
	m := b.mapRates(d)
	t := b.treeRates(d)
	batch, err := b.ourBatches(d)
	if err != nil {
		return err
	}
	f.getCopy.addPair(single.get, m.copied)
	f.getShared.addPair(single.get, m.shared)
	f.getCopy2.addPair(single.get2, m.copied2)
	f.putNew.addPair(single.putNew, t.putNew)
	f.putOver.addPair(single.putOver, t.putOver)
	f.batchNew.addPair(batch.putNew, single.putNew)
	f.batchOver.addPair(batch.putOver, single.putOver)
	return nil
}

// rates are operations per second.
type rates struct{ get, get2, putNew, putOver, shared, copied, copied2 float64 }

func (b *bench) ourSingles(d localData) (r rates, err error) {
	reg, done, err := offline()
	if err != nil {
		return r, err
	}
	defer done()
	defer b.profile("local-singles")(&err)
	put := func(i int, key string) {
		if _, e := reg.Put(b.ctx, key, d.values.at(i)); e != nil {
			err = e
		}
	}
	get := func(_ int, key string) {
		e, e2 := reg.Get(b.ctx, key)
		if e2 != nil || len(e.Value) != valueLen {
			err = fmt.Errorf("get %x: %d bytes, %w", key, len(e.Value), e2)
		}
	}
	r.putNew = b.rate(d.keys, put)
	r.get = b.rate(d.order, get)
	r.get2 = b.rate2(d.order, get)
	r.putOver = b.rate(d.reorder, put)
	return r, err
}

func (b *bench) ourBatches(d localData) (r rates, err error) {
	reg, done, err := offline()
	if err != nil {
		return r, err
	}
	defer done()
	defer b.profile("local-batches")(&err)
	batch := reg.NewBatch()
	put := func(i int, key string) {
		batch.Put(key, d.values.at(i))
		if batch.Len() == 1000 || i == len(d.keys)-1 {
			if _, e := batch.Commit(b.ctx); e != nil {
				err = e
			}
		}
	}
	r.putNew = b.rate(d.keys, put)
	r.putOver = b.rate(d.reorder, put)
	return r, err
}

func (b *bench) mapRates(d localData) (r rates) {
	f := newMapFloor()
	for i, k := range d.keys {
		f.put(k, append([]byte(nil), d.values.at(i)...)) // values of their own, as a store has them
	}
	r.shared = b.rate(d.order, func(_ int, key string) { sink(f.shared(key)) })
	r.copied = b.rate(d.order, func(_ int, key string) { sink(f.copied(key)) })
	r.copied2 = b.rate2(d.order, func(_ int, key string) { sink(f.copied(key)) })
	return r
}

func (b *bench) treeRates(d localData) (r rates) {
	f := &treeFloor{}
	put := func(i int, key string) { f.put(key, d.values.at(i)) }
	r.putNew = b.rate(d.keys, put)
	r.putOver = b.rate(d.reorder, put)
	return r
}

// sink makes sure that a value is really looked at.
func sink(v []byte) {
	if len(v) != valueLen {
		panic("bench: the floor lost a value")
	}
}

// rate runs do over the keys from one goroutine, after a collection of what was before.
func (b *bench) rate(keys []string, do func(i int, key string)) float64 {
	runtime.GC()
	took := b.watch.lap(func() {
		for i, k := range keys {
			do(i, k)
		}
	})
	return float64(len(keys)) / took.Seconds()
}

// rate2 has two goroutines run do over all keys each, one of them from the middle.
func (b *bench) rate2(keys []string, do func(i int, key string)) float64 {
	runtime.GC()
	half := len(keys) / 2
	took := b.watch.lap(func() {
		var wg sync.WaitGroup
		for _, parts := range [][2][]string{{keys[:half], keys[half:]}, {keys[half:], keys[:half]}} {
			wg.Go(func() {
				for _, p := range parts {
					for i, k := range p {
						do(i, k)
					}
				}
			})
		}
		wg.Wait()
	})
	return float64(2*len(keys)) / took.Seconds()
}

// offline opens a registry on a node without a network.
func offline() (*minikv.Registry, func(), error) {
	n, err := minikv.Open(context.Background(), "", minikv.Config{})
	if err != nil {
		return nil, nil, err
	}
	r, err := n.Registry(context.Background(), "bench", minikv.Public())
	if err != nil {
		n.Close()
		return nil, nil, err
	}
	return r, func() { n.Close(); runtime.GC() }, nil
}
