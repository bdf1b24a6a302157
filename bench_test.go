package minikv_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tidwall/btree"

	"github.com/minikv/minikv"
)

const benchKeys = 1_000_000

func randomKeys(n int) []string {
	rnd := rand.New(rand.NewPCG(1, 2))
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%016x", rnd.Uint64())
	}
	return keys
}

var benchValue = make([]byte, 100)

// BenchmarkGet reads random keys among a million, beside a bare map that copies the value out, too.
func BenchmarkGet(b *testing.B) {
	keys := randomKeys(benchKeys)
	b.Run("map", func(b *testing.B) {
		m := make(map[string][]byte, benchKeys)
		var mu sync.RWMutex
		for _, k := range keys {
			m[k] = append([]byte(nil), benchValue...)
		}
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
			for pb.Next() {
				mu.RLock()
				v := m[keys[rnd.IntN(benchKeys)]]
				mu.RUnlock()
				sink(append([]byte(nil), v...))
			}
		})
	})
	b.Run("registry", func(b *testing.B) {
		ctx, r := context.Background(), offline(b)
		fill(b, r, keys)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
			for pb.Next() {
				e, err := r.Get(ctx, keys[rnd.IntN(benchKeys)])
				if err != nil {
					b.Error(err)
				}
				sink(e.Value)
			}
		})
	})
}

//go:noinline
func sink([]byte) {}

func fill(b *testing.B, r *minikv.Registry, keys []string) {
	batch := r.NewBatch()
	for i, k := range keys {
		batch.Put(k, benchValue)
		if i%1000 == 999 || i == len(keys)-1 {
			if _, err := batch.Commit(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkPut loads a million random keys one by one, in batches of 1,000, and over existing keys, beside
// a bare B-tree that does only the sets. One op is a million puts.
func BenchmarkPut(b *testing.B) {
	keys := randomKeys(benchKeys)
	type pair struct {
		k string
		v []byte
	}
	b.Run("btree", func(b *testing.B) {
		for range b.N {
			t := btree.NewBTreeGOptions(func(x, y pair) bool { return x.k < y.k }, btree.Options{NoLocks: true})
			var mu sync.RWMutex
			for _, k := range keys {
				mu.Lock()
				t.Set(pair{k, append([]byte(nil), benchValue...)})
				mu.Unlock()
			}
		}
		perPut(b)
	})
	run := func(name string, put func(*testing.B, *minikv.Registry)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				r := offline(b)
				if name == "over" {
					fill(b, r, keys)
				}
				b.StartTimer()
				put(b, r)
			}
			perPut(b)
		})
	}
	single := func(b *testing.B, r *minikv.Registry) {
		for _, k := range keys {
			if _, err := r.Put(context.Background(), k, benchValue); err != nil {
				b.Fatal(err)
			}
		}
	}
	run("new", single)
	run("over", single)
	run("batches", func(b *testing.B, r *minikv.Registry) { fill(b, r, keys) })
}

func perPut(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchKeys, "ns/put")
}
