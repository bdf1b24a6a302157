package lwwmap_test

import (
	"crypto/rand"
	"runtime"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

const benchKeys = 1_000_000

// randomKeys returns n keys of 16 random bytes, each an allocation of its own.
func randomKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		var b [16]byte
		rand.Read(b[:])
		keys[i] = string(b[:])
	}
	return keys
}

type writer struct {
	m     *lwwmap.Map
	actor crdt.Actor
	seq   uint64
}

func (w *writer) put(key string, value []byte) {
	w.seq++
	_, _, ok := w.m.Write(lwwmap.Entry{
		Kind: lwwmap.Data, Key: key, Value: value,
		Dot: crdt.Dot{Actor: w.actor, Seq: w.seq}, Stamp: hlc.Timestamp(w.seq),
	})
	if !ok {
		panic("a later write did not win")
	}
}

func BenchmarkWriteNew(b *testing.B) {
	keys, value := randomKeys(benchKeys), make([]byte, 100)
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		w := &writer{m: lwwmap.New(nil), actor: 1}
		for _, k := range keys {
			w.put(k, value)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchKeys-116, "overhead-B/key")
		require.Equal(b, benchKeys, w.m.Len(lwwmap.Data))
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchKeys), "ns/key")
}

func BenchmarkWriteOver(b *testing.B) {
	keys, value := randomKeys(benchKeys), make([]byte, 100)
	w := &writer{m: lwwmap.New(nil), actor: 1}
	for _, k := range keys {
		w.put(k, value)
	}
	i := 0
	for b.Loop() {
		w.put(keys[i*7919%benchKeys], value)
		i++
	}
}

func BenchmarkGet(b *testing.B) {
	keys, value := randomKeys(benchKeys), make([]byte, 100)
	w := &writer{m: lwwmap.New(nil), actor: 1}
	for _, k := range keys {
		w.put(k, value)
	}
	i := 0
	for b.Loop() {
		if w.m.Get(lwwmap.Data, keys[i*7919%benchKeys]).IsZero() {
			b.Fatal("absent")
		}
		i++
	}
}
