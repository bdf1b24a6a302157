package replica_test

import (
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

func benchDelta() *replica.Delta {
	d := &replica.Delta{Actor: 1 << 63, Seqs: crdt.Ranges{{Lo: 100_000, Hi: 100_999}}}
	for i := range uint64(1000) {
		d.Entries = append(d.Entries, lwwmap.Entry{
			Kind: lwwmap.Data, Key: "0123456789abcdef", Value: make([]byte, 100),
			Dot: crdt.Dot{Actor: 1 << 63, Seq: 100_000 + i}, Stamp: 1 << 60,
		})
	}
	return d
}

func BenchmarkEncodeDelta(b *testing.B) {
	d, buf := benchDelta(), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		buf, err = replica.EncodeDelta(buf[:0], d)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(len(buf))/1000, "B/entry")
}

func BenchmarkDecodeDelta(b *testing.B) {
	buf, err := replica.EncodeDelta(nil, benchDelta())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := replica.DecodeDelta(buf)
		require.NoError(b, err)
	}
}
